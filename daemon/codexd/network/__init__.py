"""The network of commands: a proxy that lets out what a list of names allows."""
