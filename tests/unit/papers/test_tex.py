from __future__ import annotations

import html.parser
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.papers.tex import to_html, to_plain
from broadsheet.papers.tex.segments import segments


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("A plain title: 100% of A&B #1 at ~10x_y", "A plain title: 100% of A&B #1 at ~10x_y"),
        (r"M{\"u}ller, Erd\H{o}s, \'Ecole, na\"{\i}ve", "Müller, Erdős, École, naïve"),
        (r"\c{c}a va, \v s, {\O}stg{\aa}rd, Stra{\ss}e", "ça va, š, Østgård, Straße"),
        (r"the query\'s words", "the query's words"),
        (r"\emph{a \textbf{b} c} {\bf d} {\em e}", "a b c d e"),
        (r"5\% of \$3 \& \#4 \_ \{x\}", "5% of $3 & #4 _ {x}"),
        ("et~al. in Figure~2, 5~10 and ~7", "et al. in Figure 2, 5~10 and ~7"),
        ("pages 1--15 --- no---yes --flag", "pages 1–15 — no—yes --flag"),
        ("``quoted'' and thinking``", "“quoted” and thinking”"),
        ("{GPT}-4, Ada{L}e{R}, {{All}}", "GPT-4, AdaLeR, All"),
        ("sets {a, b} and p_{gen} and x^{2}", "sets {a, b} and p_{gen} and x^{2}"),
        (r"$\alpha$, $x^2$, $10^{-3}$, $x_{i}$", "α, x², 10⁻³, xᵢ"),
        (r"$F_{max}$ of $\mathcal{O}(n \log n)$", "F_max of O(n log n)"),
        (r"$\frac{a+b}{c} \leq \sqrt{x}$", "(a+b)/c ≤ √x"),
        (r"$\mathbb{R}^d$, $\hat{x}$, $0.5\pm0.1$", "ℝᵈ, x̂, 0.5±0.1"),
        (r"0.5$\pm$0.1 and C$^3$ and $k$-NN", "0.5±0.1 and C³ and k-NN"),
        (r"\(a\) and \[b^2\]", "a and b²"),
        ("costs $5 or $10, US$ 7 and 4$ per hour", "costs $5 or $10, US$ 7 and 4$ per hour"),
        ("only $20 per tutor and 50$ a day", "only $20 per tutor and 50$ a day"),
        ("#Turki$hTweets by $&!#* vectors", "#Turki$hTweets by $&!#* vectors"),
        (r"our \method and \ours{} stay", r"our \method and \ours{} stay"),
        (r"English\rightarrowGerman", "English→German"),
        (
            r"2\textasciicircum{}n, a\textbackslash{}b, \textbraceleft{}z\textbraceright",
            r"2^n, a\b, {z}",
        ),
        (r"\url{https://a.org/x\_y} \href{https://b.org}{here}", "https://a.org/x_y here"),
        ("https://a.org/{this page}", "https://a.org/ (this page)"),
        (r"$\begin{pmatrix}a&b\end{pmatrix}$", r"\begin{pmatrix}a&b\end{pmatrix}"),
        (" white\n\tspace  runs ", "white space runs"),
        ("", ""),
    ],
)
def test_plain_text(raw: str, plain: str) -> None:
    assert to_plain(raw) == plain


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.shown += data


TAG_NAMES = (
    "em strong code math mrow mi mn mo ms mtext mspace msup msub msubsup munder mover munderover "
    "mmultiscripts mprescripts none mfrac msqrt mroot mtable mtr mtd mpadded mphantom menclose "
    "mstyle"
)
ALLOWED_TAGS = frozenset(TAG_NAMES.split())
ATTRIBUTE_NAMES = (
    "display stretchy fence separator form accent mathvariant linethickness accentunder columnalign"
)
ALLOWED_ATTRIBUTES = frozenset(ATTRIBUTE_NAMES.split())


def looked_at(made: str) -> _Tags:
    parser = _Tags()
    parser.feed(made)
    parser.close()
    assert set(parser.tags) <= ALLOWED_TAGS, made
    assert set(parser.attributes) <= ALLOWED_ATTRIBUTES, made
    return parser


@pytest.mark.parametrize(
    "payload",
    [
        r"\text{<svg/onload=alert(1)>}",
        r"\text{<img/src/onerror=alert(1)>}",
        r"\href{javascript:alert(1)}{x}",
        r"\text {<svg onload=alert(1)>}",
        r"\textbf{<svg onload=alert(1)>}",
        r"\mathrm{<svg onload=alert(1)>}",
        r"\mbox{</mtext></math><script>alert(1)</script>}",
        r"\text{\text{<svg onload=alert(1)>}}",
        r"\class{x\" onclick=\"alert(1)}{y}",
        r"\style{background:url(javascript:alert(1))}{y}",
        r"\color{red\" onload=\"alert(1)}x",
        r"\begin{array}{c\" onclick=\"alert(1)}a\end{array}",
        r"\xrightarrow{\text{<svg onload=alert(1)>}}",
        r"\text{&lt;svg onload=alert(1)&gt;}",
        r"<script>alert(1)</script>",
        r"x</math><img src=x onerror=alert(1)>",
        r"\text{<!--}<style><img title='--></style><svg onload=alert(1)>'>",
        r"\unicode{x3c}svg onload=alert(1)\unicode{x3e}",
        r"\text{<annotation-xml encoding='text/html'><svg onload=alert(1)>}",
    ],
)
@pytest.mark.parametrize("around", ["$%s$", "$$%s$$", r"\(%s\)", "%s", r"\emph{%s}"])
def test_no_markup_of_the_reader_survives(payload: str, around: str) -> None:
    looked_at(to_html("before " + around.replace("%s", payload) + " after"))


def test_formulas_become_mathml() -> None:
    made = to_html(r"if $a<b$ then $\frac{1}{2}$ & \textbf{more}")
    assert "<mfrac>" in made
    assert "<mo>&lt;</mo>" in made
    assert made.startswith('if <math display="inline">')
    assert made.endswith(" &amp; <strong>more</strong>")
    assert 'display="block"' in to_html("$$x$$")


@pytest.mark.parametrize(
    "source",
    [r"\foo{x}", r"\left( x", r"x^{", r"\text{a<b}", "x" * 2_000, "{" * 30 + "x" + "}" * 30],
)
def test_what_cannot_be_converted_is_shown_as_source(source: str) -> None:
    made = looked_at(to_html(f"\\({source}\\)"))
    assert "math" not in made.tags
    assert source in made.shown


def test_attributes_are_escaped_too() -> None:
    assert to_html("a \"quoted\" <b title='x'>") == (
        "a &quot;quoted&quot; &lt;b title=&#x27;x&#x27;&gt;"
    )


def test_many_formulas_and_long_texts_are_bounded() -> None:
    begun = time.process_time()
    assert to_html("$x^2$ " * 500).count("<math") == 100
    assert to_html(r"$\alpha$" + "y" * 100_001).startswith("$")
    assert to_plain("$x$ " + "y" * 100_001).startswith("$x$")
    assert time.process_time() - begun < 20, "a guard against hanging, not a measurement"


@pytest.mark.parametrize(
    "piece",
    ["{", "}", "$", "\\", "\\(", "\\[", "\\emph{", "\\frac{", "^{", "_", "~", "-", "`", " ",
     "\\\"{", "\\text{<", "$$", "\\left(", "\\begin{a}", "http://", "{a", "$a\\", "\\sqrt"],
)  # fmt: skip
def test_repeated_pieces_neither_hang_nor_crash(piece: str) -> None:
    begun = time.process_time()
    for count in (50, 5_000):
        to_plain(piece * count)
        looked_at(to_html(piece * count))
        looked_at(to_html(f"${piece * min(count, 300)}x$"))
    assert time.process_time() - begun < 20, "a guard against hanging, not a measurement"


PIECES = st.sampled_from(
    [*"${}\\^_~-`'\"%&<>/=# ", "\\frac", "\\text{", "\\emph{", "\\alpha ", "\\left(", "\\right)",
     "\\begin{matrix}", "\\end{matrix}", "\\\\", "\\href{javascript:x}{", "<svg/onload=x>",
     "\\sqrt[", "]", "\\hat", "\\'e", "\u202eabc", "مرحبا", "👩‍👩‍👧", "e\u0301", "\ufdd0", "\0"]
)  # fmt: skip
ANY = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=30).map("".join)


@settings(max_examples=300, deadline=None)
@given(ANY)
def test_any_text_is_converted_safely(raw: str) -> None:
    plain = to_plain(raw)
    assert plain == " ".join(plain.split())
    looked_at(to_html(raw))
    assert "".join(part.source for part in segments(raw)) == raw


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="\\$~{}-`", codec="utf-8"), max_size=80))
def test_text_without_tex_is_untouched(raw: str) -> None:
    assert to_plain(raw) == " ".join(raw.split())
    assert looked_at(to_html(raw)).tags == []
