"""The sandbox: an argv becomes the argv that runs it confined, by whatever this machine can enforce."""
