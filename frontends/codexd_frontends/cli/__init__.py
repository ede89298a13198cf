"""The command `codexctl`: arguments, the console, and a turn that is followed."""
