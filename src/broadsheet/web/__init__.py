"""The web application: thin routes over `broadsheet.papers.library`."""
