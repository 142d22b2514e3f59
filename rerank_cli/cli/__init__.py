"""What a person types: the commands, their options, exit codes and signals."""
