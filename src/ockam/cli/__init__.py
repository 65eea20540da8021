"""The `ockam` command: parses, calls the library, prints.

Importing `ockam.cli.app` imports click and nothing else of weight: help and usage errors are immediate. What a command
needs of the library is imported when the command runs.
"""
