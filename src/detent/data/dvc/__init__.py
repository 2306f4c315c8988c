"""DVC's files and caches, read and written without DVC.

In: `.dvc`, `dvc.lock`, `.dvc/config` and objects named by md5, of DVC 2 and 3. Out: trees in the blob store, and back.
Checked with the real `dvc` in `tests/data/test_dvc.py`.
"""
