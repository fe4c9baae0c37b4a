"""Boards on a cable: their REPL, provisioning, and the bridge to the broker."""
