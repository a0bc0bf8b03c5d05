"""The loss of a T5ForConditionalGeneration on a batch, written out for speed.

It reads the weights of transformers' own modules, so saving and exporting know nothing of it. Over
calling the model: bf16 where it is harmless and fast, one product for q, k and v, no logits for padding, and
a shape that torch.compile can fuse; together half as many tokens a second more on a CPU."""
import torch
import torch.nn.functional as F

# A CPU without bf16 instructions emulates them, ten times slower than f32.
NARROW = torch.bfloat16 if torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported() else torch.float32
FORBIDDEN = -1e9


def norm(x, weight):
    return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight).to(NARROW)


def linear(x, *weights):
    return F.linear(x, (torch.cat(weights) if len(weights) > 1 else weights[0]).to(NARROW))


def attend(q, k, v, bias, heads):
    """T5 does not scale the scores. bias: what is added to them."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return ((q @ k.transpose(-1, -2) + bias).softmax(-1) @ v).transpose(1, 2).flatten(2)


def dropped(x, part):
    """Dropout that takes the same parts of all positions of a sequence, as T5's own training did."""
    return x * F.dropout(torch.ones_like(x[:, :1]), part)


def self_attention(x, layer, bias, heads, drop):
    a, h = layer.SelfAttention, norm(x, layer.layer_norm.weight)
    q, k, v = linear(h, a.q.weight, a.k.weight, a.v.weight).chunk(3, -1)
    return x + dropped(linear(attend(q, k, v, bias, heads), a.o.weight), drop)


def cross_attention(x, layer, encoded, bias, heads, drop):
    a, h = layer.EncDecAttention, norm(x, layer.layer_norm.weight)
    k, v = linear(encoded, a.k.weight, a.v.weight).chunk(2, -1)
    return x + dropped(linear(attend(linear(h, a.q.weight), k, v, bias, heads), a.o.weight), drop)


def feed_forward(x, layer, drop):
    d = layer.DenseReluDense
    inner = dropped(F.relu(linear(norm(x, layer.layer_norm.weight), d.wi.weight)), drop)
    return x + dropped(linear(inner, d.wo.weight), drop)


def loss(model, batch, smoothing, drop):
    """batch: what data.tensors gives. Mean cross-entropy of the labels, smoothed."""
    sources, mask, inputs, labels = batch
    heads, embedding = model.config.num_heads, model.shared.weight
    hidden = (1 - mask)[:, None, None, :] * FORBIDDEN
    length = sources.shape[1]
    bias = (model.encoder.block[0].layer[0].SelfAttention.compute_bias(length, length) + hidden).to(NARROW)
    x = dropped(F.embedding(sources, embedding), drop)
    for block in model.encoder.block:
        x = feed_forward(self_attention(x, block.layer[0], bias, heads, drop), block.layer[1], drop)
    encoded = dropped(norm(x, model.encoder.final_layer_norm.weight), drop)

    length, hidden = inputs.shape[1], hidden.to(NARROW)
    later = torch.full((length, length), FORBIDDEN, device=inputs.device).triu(1)
    bias = (model.decoder.block[0].layer[0].SelfAttention.compute_bias(length, length) + later).to(NARROW)
    x = dropped(F.embedding(inputs, embedding), drop)
    for block in model.decoder.block:
        x = self_attention(x, block.layer[0], bias, heads, drop)
        x = cross_attention(x, block.layer[1], encoded, hidden, heads, drop)
        x = feed_forward(x, block.layer[2], drop)
    here = labels >= 0
    x = norm(x[here], model.decoder.final_layer_norm.weight * model.config.d_model**-0.5)
    return F.cross_entropy(linear(x, embedding).float(), labels[here], label_smoothing=smoothing)
