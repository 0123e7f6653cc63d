"""Formats we read, behind one small protocol (`base.Source`)."""
