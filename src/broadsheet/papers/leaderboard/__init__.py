"""A leaderboard of search runs: anybody hands in a run file, this machine checks and scores it."""
