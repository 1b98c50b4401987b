"""`python -m lipdub`: the same as the command `lipdub`."""

from lipdub.cli import program

if __name__ == "__main__":  # helpers of a training are started by importing this module again
    program()
