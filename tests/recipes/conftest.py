"""Scripts that need the libraries of others hold no tests."""

collect_ignore_glob = ["dist/*.py", "langchain/*.py", "read_back/*.py", "written_by_others/*.py"]
