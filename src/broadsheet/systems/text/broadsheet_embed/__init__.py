"""broadsheet-embed: our own elastic encoder and static table."""
