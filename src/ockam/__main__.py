"""`python -m ockam` is the `ockam` command."""

from ockam.cli.app import main

if __name__ == "__main__":
    main()
