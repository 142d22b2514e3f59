"""What tests share: the command as a process, small models, hostile input, a disk that loses power."""
