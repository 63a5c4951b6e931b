"""The files of this repository that are made from code: rules and their tests, boards, reference pages, prices."""
