"""The subcommands of codexctl, one file each; each has `run(arguments, console)`."""
