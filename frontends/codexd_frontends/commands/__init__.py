"""The subcommands of codexctl, one file each; `run(arguments, console)` is what each of them is."""
