"""What PyTorch has and gpucnn has not, and what to use in its place: for messages, and for the table in docs/."""

import difflib
from collections.abc import Iterable

# By the place that PyTorch has the name at: "Tensor", "torch", "nn", "functional", "optim", "Module", "Optimizer".
ABSENT: dict[str, dict[str, str]] = {
    "Tensor": {
        "cuda": 'gpucnn.set_device("cuda"), before Tensors are made, or to("cuda")',
        "cpu": "numpy(), the values on the host",
        "half": "float(); a network computes in float32 or float64, a Trainer in bf16 by `precision`",
        "grad_fn": "is_leaf, whether an operation computed it",
        "register_hook": "a Function of your own, whose backward sees the gradient",
        "retain_grad": "a leaf: x = x.detach().requires_grad_()",
        "prod": "x.log().sum().exp(), of positive numbers",
        "scatter_": "x[index] = value",
        "scatter": "y = x.clone(); y[index] = value",
        "index_add_": "einsum with one-hot rows",
        "median": "gpucnn.sort, and the middle",
        "unfold": "functional.conv2d, which needs no unfolding",
        "nonzero": "x.numpy().nonzero()",
        "unique": "numpy.unique(x.numpy())",
        "tril": "x * numpy.tril(numpy.ones(x.shape, x.dtype))",
        "triu": "x * numpy.triu(numpy.ones(x.shape, x.dtype))",
        "diag": "einsum, or x[i, i] with i = gpucnn.arange(n)",
        "outer": 'gpucnn.einsum("i,j->ij", x, y)',
        "swapaxes": "transpose(first, second)",
        "movedim": "permute(axes)",
        "resize_": "reshape(shape)",
        "backward_hook": "a Function of your own",
        "share_memory_": "numpy()",
        "pin_memory": "nothing: a Loader keeps data on the device",
        "nelement": "numel()",
        "type": "dtype, or to(dtype)",
        "log1p": "(x + 1).log()",
        "expm1": "x.exp() - 1",
        "logsumexp": "x.exp().sum(dim).log(), or functional.log_softmax",
    },
    "torch": {
        "compile": "nothing: gpucnn.Trainer captures a step by itself",
        "cuda": 'gpucnn.set_device("cuda") and gpucnn.device()',
        "utils": "gpucnn.data for loaders",
        "autograd": "gpucnn.Function and gpucnn.check_gradients",
        "jit": "gpucnn.save and gpucnn.load_into",
        "distributed": "one process",
        "set_default_dtype": 'net.astype("float64")',
        "inference_mode": "gpucnn.no_grad()",
        "enable_grad": "nothing: leave the gpucnn.no_grad() block",
        "empty": "gpucnn.zeros",
    },
    "nn": {
        "Dropout2d": "Dropout",
        "Hardtanh": "x.clamp(-1, 1)",
        "ReLU6": "x.clamp(0, 6)",
        "Embedding": "weight[numbers], with weight an nn.Parameter",
        "LSTM": "Conv1d; recurrent layers are out of scope",
        "GRU": "Conv1d; recurrent layers are out of scope",
        "RNN": "Conv1d; recurrent layers are out of scope",
        "MultiheadAttention": "matmul and softmax; transformers are out of scope",
        "TransformerEncoderLayer": "matmul and softmax; transformers are out of scope",
        "Unflatten": "reshape in a forward of your own",
        "Bilinear": "einsum",
        "ParameterList": "a list of Parameters as an attribute, which is found",
        "ParameterDict": "a dict of Parameters as an attribute, which is found",
        "KLDivLoss": "cross_entropy with rows of probabilities",
        "utils": "gpucnn.optim.clip_grad_norm_ and clip_grad_value_",
        "functional": "gpucnn.functional",
        "DataParallel": "one device",
        "LazyLinear": "a configuration in YAML, which infers sizes",
        "LazyConv2d": "a configuration in YAML, which infers sizes",
    },
    "functional": {
        "embedding": "weight[numbers]",
        "unfold": "conv2d, which needs no unfolding",
        "kl_div": "cross_entropy with rows of probabilities",
        "scaled_dot_product_attention": "matmul and softmax",
        "normalize": "x / x.norm(dim=1, keepdim=True)",
        "dropout2d": "dropout",
        "hardtanh": "x.clamp(-1, 1)",
        "relu6": "x.clamp(0, 6)",
    },
    "optim": {
        "lr_scheduler": "Trainer(schedule=optim.Cosine(...)), or optimizer.lr = ... before each step",
        "swa_utils": "gpucnn.training.swa_utils",
        "Adagrad": "Adam",
        "NAdam": "Adam",
        "LBFGS": "SGD with momentum",
    },
    "Module": {
        "cuda": 'to("cuda")',
        "cpu": 'to("cpu")',
        "half": 'a Trainer\'s `precision`, or astype("float32")',
        "register_full_backward_hook": "a Function of your own, whose backward sees the gradient",
        "register_backward_hook": "a Function of your own, whose backward sees the gradient",
        "compile": "nothing: gpucnn.Trainer captures a step by itself",
        "share_memory": "state_dict()",
        "to_empty": 'to("cuda")',
    },
    "Optimizer": {"register_step_post_hook": "a call behind step()", "register_step_pre_hook": "a call before step()"},
}
TABLE = "docs/from_pytorch.md"


def missing(place: str, name: str, known: Iterable[str] = ()) -> str:
    """The message about an attribute `name` that is not there: what to use, or a name alike, and where the table is."""
    text = f"{place} has no attribute {name!r}"
    if instead := ABSENT.get(place, {}).get(name):
        return f"{text}; use {instead}"
    if alike := difflib.get_close_matches(name, [each for each in known if not each.startswith("_")], 1):
        return f"{text}; did you mean {alike[0]!r}?"
    return text if name.startswith("_") else f"{text}; {TABLE} says what PyTorch's names are here"
