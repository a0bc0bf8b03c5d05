"""Muon (Jordan et al. 2024) for the matrices of the blocks, Adafactor for embeddings, biases and norms.

An update is the momentum with all its singular values made one, by five steps of a polynomial whose coefficients are Polar
Express' (Amsel et al. 2025). T5's queries start eight times smaller than the rest, since its attention does not
divide by sqrt(d_kv): they get steps an eighth as large."""
import torch

COEFFICIENTS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
MOMENTUM = 0.95
DECAY = 0.03
QUERIES = 0.125


def orthogonal(stack):
    """The nearest orthogonal matrices of a stack [n, rows, columns], rows <= columns."""
    x = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for a, b, c in COEFFICIENTS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    """`scale` of a group multiplies its rate."""

    def __init__(self, groups, lr):
        super().__init__(groups, dict(lr=lr, scale=1.0))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            of_shape = {}
            for p in group["params"]:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - MOMENTUM)
                update = p.grad.lerp(momentum, MOMENTUM)
                is_tall = p.shape[0] > p.shape[1]
                update = update.mT if is_tall else update
                of_shape.setdefault(tuple(update.shape), []).append((p, update, is_tall))
            for same in of_shape.values():
                updates = orthogonal(torch.stack([update for _, update, _ in same]))
                for (p, _, is_tall), update in zip(same, updates):
                    tallness = max(1, p.shape[0] / p.shape[1]) ** 0.5
                    p.mul_(1 - group["lr"] * DECAY)
                    p.add_(update.mT if is_tall else update, alpha=-group["lr"] * group["scale"] * tallness)


class Both:
    """Muon and Adafactor at the same rate, as one optimizer."""

    def __init__(self, model, lr):
        named = list(model.named_parameters())
        inside = [(n, p) for n, p in named if p.dim() == 2 and "block" in n and "relative" not in n]
        own = {id(p) for _, p in inside}
        self.muon = Muon([
            {"params": [p for n, p in inside if ".q." not in n]},
            {"params": [p for n, p in inside if ".q." in n], "scale": QUERIES},
        ], lr)
        self.rest = torch.optim.Adafactor([p for _, p in named if id(p) not in own], lr=lr)

    @property
    def param_groups(self):
        return self.muon.param_groups + self.rest.param_groups

    def step(self):
        self.muon.step()
        self.rest.step()

    def zero_grad(self):
        self.muon.zero_grad()
        self.rest.zero_grad()

    def state_dict(self):
        return {"muon": self.muon.state_dict(), "rest": self.rest.state_dict()}

    def load_state_dict(self, state):
        self.muon.load_state_dict(state["muon"])
        self.rest.load_state_dict(state["rest"])
