"""Files in the wheels of other packages."""

from __future__ import annotations

from lipdub.speech.wheel_data import find_wheel_file


def test_a_file_of_an_installed_package_is_found() -> None:
    path = find_wheel_file("numpy", "core", "__init__.py") or find_wheel_file("numpy", "_core", "__init__.py")
    assert path is not None and path.is_file()


def test_packages_and_files_that_are_missing_give_none() -> None:
    assert find_wheel_file("no_such_package_here", "x") is None
    assert find_wheel_file("numpy", "no", "such", "file") is None
    assert find_wheel_file("numpy", "linalg") is None  # a folder
