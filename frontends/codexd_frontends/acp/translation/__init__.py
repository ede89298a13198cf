"""The daemon's protocol and the editor's, each as the other has it; pure."""
