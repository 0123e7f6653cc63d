"""A few passages in the manner of abstracts, written for this project.

They calibrate int8 variants and measure how close a variant is to its original. They are not
meant to be read.
"""

from __future__ import annotations

_PASSAGES = (
    "Language models answer fluently but often invent the source of a claim. We ask a model to "
    "name, for every sentence it writes, the passage that supports it, and train it on pairs in "
    "which the passage was swapped. On four question sets, wrong citations fall by a third while "
    "accuracy stays within one point.",
    "We study how graph neural networks forget their input as layers are added. A bound on the "
    "spread of node states shows when two nodes can no longer be told apart, and a small change to "
    "the normalisation delays this by an order of magnitude on citation and molecule graphs.",
    "Video generators produce convincing frames and implausible motion. This report describes a "
    "benchmark of 1,200 prompts about falling, rolling and colliding objects, a rating protocol "
    "with 31 people, and the result that no current system passes more than 42% of the cases.",
    "Robots that learn from demonstrations fail when a drawer is stuck. We let a policy ask for "
    "help, once per episode, through a short message, and find that asking late is worse than not "
    "asking at all.",
    "A reinforcement learning agent is only as good as its reward. Instead of one scalar we learn "
    "a distribution over rewards from 5,000 comparisons, act on its lower quantile, and report "
    "fewer unsafe actions in navigation, dialogue and code repair.",
    "Retrieval with filters is hard for approximate nearest neighbour indexes: the graph falls "
    "apart once most of its points are excluded. We plan each query by the share of points that "
    "pass and reach a recall of .98 at a tenth of the cost of scanning.",
    "Speech recognisers trained on read speech lose half of their accuracy on conversation. Adding "
    "ninety hours of lightly transcribed radio, with timing errors of up to two seconds, recovers "
    "most of the loss for Swahili, Welsh and Tagalog.",
    "The attention of a transformer is quadratic in the length of its input. Replacing three "
    "quarters of the heads by a recurrent state of fixed size keeps perplexity, and lets a single "
    "card read 512k tokens.",
    "Medical images come with reports but seldom with labels. Contrasting sentences of a report "
    "with regions of a radiograph gives features that need only 1% of the labels to detect "
    "effusion, nodules and fractures (AUC .91).",
    "We prove that gradient descent with a large step size first oscillates and then finds flatter "
    "minima in two-layer networks, and that the width of the oscillation predicts the test error "
    "up to a constant.",
    "Sign languages have no written form that people use. Our corpus pairs 40 hours of weather "
    "reports in three sign languages with glosses, mouthings and translations; baselines reach "
    "12.4 BLEU.",
    "Code models repeat insecure patterns from their training data. We edit 0.1% of the weights, "
    "located by causal tracing, so that unsafe calls to eval(), strcpy and yaml.load become rare, "
    "while the pass rate on unit tests drops by only 0.3 points.",
    "Do larger models need different tokenizers? With 2.6 billion parameters and vocabularies from "
    "8k to 512k entries we find a log-linear law, and that most deployed vocabularies are too "
    "small.",
    "Diffusion models draw one image at a time. We share the first half of the denoising steps "
    "among prompts with a common subject and cut energy per picture by 38% without a visible "
    "change.",
    "Recommender systems drift: what users see shapes what they later say they like. In a "
    "simulation with known preferences, re-ranking for calibration halves the drift; a field "
    "study with 812 listeners agrees in sign.",
    "We release a parallel treebank of Faroese, Icelandic and Old Norse with 18,000 sentences, "
    "describe the annotation of fronted verbs, and train parsers that transfer across a thousand "
    "years of change.",
    "Estimating depth from a single photograph is ambiguous in scale. Known sizes of common "
    "objects (doors, cups, bicycles) are enough to fix it: error falls from 21 to 9 percent "
    "indoors.",
    "Simple averages of token embeddings are a strong baseline for sentence similarity. Removing "
    "the first principal component and weighting by inverse frequency explains most of the gain "
    "that was credited to attention.",
    "Federated learning leaks. An honest but curious server can rebuild a batch of 64 records from "
    "one gradient when the network begins with a wide linear layer, and we show a defence that "
    "costs nothing.",
    "Why do ensembles of evaluators disagree? We decompose variance into prompt, judge, item and "
    "their interactions; the judge explains less than the wording of the question.",
    "title only",
    "Sparse mixtures of experts, revisited",
    "Learning to rank papers by what readers open next: a study of one daily page over two years",
    "α-divergence, λ-returns & the naïve Bayes of café reviews: 100% Unicode, 3 × 10⁻⁴ ≤ ε",
)


def sample_texts() -> list[str]:
    """Return 48 texts from two words to two hundred: each passage alone, and in groups."""
    count = len(_PASSAGES)
    groups = [
        " ".join(_PASSAGES[(start * 5 + step * 7) % count] for step in range(2 + start % 4))
        for start in range(count)
    ]
    return [*_PASSAGES, *groups]
