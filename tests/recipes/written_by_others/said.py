"""The run and the judgements that the libraries of others write, and we read."""

RUN = {
    "q1": {"d1": 12.5, "größer": 3.0000001192092896, "d:3/x%20y": -0.75},
    "2": {"007": 1e-05, "d1": 1e-06},
}
QRELS = {"q1": {"d1": 2, "größer": 0}, "2": {"007": 1}}
