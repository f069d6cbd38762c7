"""The plugins' own tests run where the plugins are installed: test_external.py sees to that."""

collect_ignore_glob = ["*/tests/*"]
