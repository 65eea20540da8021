"""One module per noun; its verbs are the commands."""
