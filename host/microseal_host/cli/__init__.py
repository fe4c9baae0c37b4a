"""The command `microseal`."""


def main() -> None:
    """Entry point of the console script."""
    # Not at the top: whoever imports a part of this package does not need all of it.
    from .app import app

    app()
