"""From trained modules to artefacts that the application runs, with parity gates."""
