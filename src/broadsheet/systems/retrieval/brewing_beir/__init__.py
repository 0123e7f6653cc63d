"""Brewing BEIR: reference models with expected scores, and a leaderboard that scores runs."""
