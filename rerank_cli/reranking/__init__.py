"""From requests to rankings: windows, batches, threads and the order of the input. Knows no file and no device."""
