"""The web application: thin routes over the library, each page in several formats."""
