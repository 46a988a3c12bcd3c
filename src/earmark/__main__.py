"""The program `earmark`, also as `python -m earmark`."""

import sys


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        from earmark.cli.app import explain_defect, run

        sys.excepthook = explain_defect
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
