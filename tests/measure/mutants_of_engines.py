"""Errors in the engines: each must fail a test on `steady`, a model that does not amplify rounding, or on one layer."""

from mutant import Mutant

AGREES = "oracle/test_other_engines.py::test_logits_are_those_of_torch[steady-{}]"
TORCH = "oracle/test_steady.py::test_torch_gives_the_logits_of_transformers"
PACKED = "oracle/test_packed_linear.py::"
CALL = "self.model(**self.inputs(batch), return_dict=True)"
POSITIONED = "self.model(**(given := self.inputs(batch)), position_ids={}[None], return_dict=True)"
GRAPH_CALL = "attention_mask=attention_mask, **typed, return_dict=True"
GRAPH_POSITIONED = "attention_mask=attention_mask, **typed, position_ids={}[None], return_dict=True"

MUTANTS = [
    Mutant(
        "torch: the head is computed in the dtype of the body",
        "models/load.py",
        "    head.float()\n    head.register_forward_pre_hook(",
        "    (lambda _hook: None)(",
        "oracle/test_loader.py::test_half_precision_body_keeps_a_float32_head[steady-bf16]",
    ),
    Mutant(
        "torch: logits are rounded to bfloat16",
        "engines/torch_model.py",
        "return logit_of(logits.float(), self.text_model.folder.label).flatten()",
        "return logit_of(logits.bfloat16().float(), self.text_model.folder.label).flatten()",
        TORCH,
    ),
    Mutant(
        "torch: positions begin at 0",
        "engines/torch_model.py",
        CALL,
        POSITIONED.format('torch.arange(given["input_ids"].shape[1])'),
        TORCH,
    ),
    Mutant(
        "torch: positions are off by one",
        "engines/torch_model.py",
        CALL,
        POSITIONED.format('torch.arange(3, 3 + given["input_ids"].shape[1])'),
        TORCH,
    ),
    Mutant(
        "torch: padding is not masked",
        "models/text_model.py",
        "padded[-1] = columns < lengths[:, None]",
        "padded[-1] = 1",
        "oracle/test_other_engines.py::test_a_pair_scores_the_same_alone_and_in_any_batch[steady-torch]",
    ),
    Mutant(
        "torch: the query has the token type of the document",
        "models/text_model.py",
        "(columns >= starts) & (columns < lengths[:, None])",
        "(columns < starts) & (columns < lengths[:, None])",
        "oracle/test_sentence_transformers.py::test_token_types_are_given_where_the_tokenizer_gives_them",
    ),
    Mutant(
        "torch bf16: plain attention drops the mask",
        "engines/torch_plain_attention.py",
        "        weights += attention_mask\n",
        "        pass\n",
        AGREES.format("torch-bf16"),
    ),
    Mutant(
        "torch bf16: plain attention ignores the model's scale",
        "engines/torch_plain_attention.py",
        "scale = width**-0.5 if scaling is None else scaling",
        "scale = 1.0",
        AGREES.format("torch-bf16"),
    ),
    Mutant(
        "torch: a packed layer has no bias",
        "engines/torch_packed_linear.py",
        "None if linear.bias is None else linear.bias.detach()",
        "None",
        PACKED + "test_packed_layer_equals_the_plain_one",
    ),
    Mutant(
        "torch: a packed layer applies GELU by tanh",
        "engines/torch_packed_linear.py",
        '("gelu", [], "none") if gelu',
        '("gelu", [], "tanh") if gelu',
        PACKED + "test_gelu_is_applied_in_the_packed_layer",
    ),
    Mutant(
        "torch: any activation is taken for GELU",
        "engines/torch_packed_linear.py",
        "bool(torch.equal(activation(x), nn.functional.gelu(x)))",
        "bool(x.numel())",
        PACKED + "test_only_gelu_by_erf_is_taken_into_the_layer",
    ),
    Mutant(
        "openvino: positions begin at 0",
        "engines/torch_graph.py",
        GRAPH_CALL,
        GRAPH_POSITIONED.format("torch.arange(input_ids.shape[1])"),
        AGREES.format("openvino-fp32"),
    ),
    Mutant(
        "openvino: the graph has GELU by tanh",
        "engines/torch_graph.py",
        "        self._model = load_cross_encoder(",
        '        config.hidden_act = "gelu_pytorch_tanh"\n        self._model = load_cross_encoder(',
        AGREES.format("openvino-fp32"),
    ),
    Mutant(
        "openvino: weights of float32 are kept in float16",
        "engines/openvino_graph.py",
        'compress_to_fp16=dtype == "fp16"',
        "compress_to_fp16=True",
        AGREES.format("openvino-fp32"),
    ),
    Mutant(
        "openvino int8: upper layers are in eight bits",
        "engines/openvino_graph.py",
        "patterns=in_float,",
        "patterns=in_float[:2],",
        AGREES.format("openvino-int8"),
    ),
    Mutant(
        "openvino int8: the head is in eight bits",
        "engines/openvino_graph.py",
        "patterns=in_float,",
        "patterns=in_float[2:],",
        AGREES.format("openvino-int8"),
    ),
    Mutant(
        "onnx: positions are off by one",
        "engines/torch_graph.py",
        GRAPH_CALL,
        GRAPH_POSITIONED.format("torch.arange(3, 3 + input_ids.shape[1])"),
        AGREES.format("onnx-fp32"),
    ),
    Mutant(
        "onnx int8: upper layers are in eight bits",
        "engines/onnx_graph.py",
        '"|".join(in_float)',
        '"|".join(in_float[:2])',
        AGREES.format("onnx-int8"),
    ),
    Mutant(
        "onnx int8: the head is in eight bits",
        "engines/onnx_graph.py",
        '[*spared, *(f"{name}_MatMul" for name in spared)]',
        "spared",
        AGREES.format("onnx-int8"),
    ),
    Mutant(
        "onnx int8: a matrix has one scale",
        "engines/onnx_graph.py",
        "per_channel=True",
        "per_channel=False",
        AGREES.format("onnx-int8"),
    ),
    Mutant(
        "a head in modules is random",
        "models/modular.py",
        "    made.load_state_dict({key: tensor.float() for key, tensor in found.items()})\n",
        "",
        "oracle/test_modular.py::test_logits_are_those_of_sentence_transformers[cls-bert]",
    ),
    Mutant(
        "a head in modules pools the padding",
        "models/modular.py",
        "pool(hidden, attention_mask, self._mode)",
        "pool(hidden, None, self._mode)",
        "oracle/test_modular.py::test_a_logit_does_not_depend_on_its_batch[mean]",
    ),
    Mutant(
        "a label's logit is taken for its log-odds",
        "models/labels.py",
        "    return logits[:, label : label + 1] - torch.logsumexp(others, dim=1, keepdim=True)",
        "    return logits[:, label : label + 1]",
        "oracle/test_labels.py::test_the_logit_is_the_log_odds_of_the_label[torch-1]",
    ),
    Mutant(
        "openvino: padding beyond a window is NaN",
        "engines/torch_graph.py",
        'set_attn_implementation("eager")',
        "eval()",
        "oracle/test_families.py::test_graphs_of_a_family_give_the_logits_of_torch[modernbert-openvino]",
    ),
    Mutant(
        "a graph is not tried with padding beyond a window",
        "engines/torch_graph.py",
        "    return (*PROBES, ((4, longest), (3, 5)))",
        "    return PROBES",
        "oracle/test_families.py::test_a_graph_is_tried_with_padding_beyond_the_window[modernbert]",
    ),
]
