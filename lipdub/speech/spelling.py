"""English spelling to sounds without a dictionary: numbers in words, and rules for unlisted words."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

# fmt: off
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MAGNITUDES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "pence"), "¥": ("yen", "")}
_NUMBER = re.compile(
    r"""
    (?P<before>[$€£¥+-]?)
    (?P<whole>\d+)
    (?:\.(?P<part>\d+))?
    (?P<ending>st|nd|rd|th|s|'s|’s)?
    (?P<after>[%°$€£¥]?)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)")
_SIGNS = {"+": "plus", "-": "minus"}
_UNITS = {"%": "percent", "°": "degrees"}
_MAX_CARDINAL_DIGITS = 15  # longer numbers are said digit by digit
_YEARS = range(1100, 2100)  # numbers of four digits that are read as years


def spell_cardinal(number: int) -> list[str]:
    """Spell a whole number, as one counts; digit by digit from 10 ** 15 on."""
    if number >= 10**_MAX_CARDINAL_DIGITS:
        return _spell_digits(str(number))
    for size, name in _MAGNITUDES:
        if number >= size:
            rest = spell_cardinal(number % size) if number % size else []
            return [*spell_cardinal(number // size), name, *rest]
    if number < len(_ONES):
        return [_ONES[number]]
    return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]


def _spell_digits(digits: str) -> list[str]:
    return [_ONES[int(digit)] for digit in digits]


def spell_year(number: int) -> list[str]:
    """Spell a number of four digits as a year is read: nineteen ninety, two thousand five."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return spell_cardinal(number)
    return [*spell_cardinal(century), *(_spell_two_digits(rest) if rest else ["hundred"])]


def _spell_two_digits(number: int) -> list[str]:
    """Spell the minutes of a clock or the last digits of a year: oh five, thirty."""
    return ["oh", _ONES[number]] if number < 10 else spell_cardinal(number)


def spell_number(token: str) -> list[str] | None:
    """Spell a token that is a number: "1,000", "$5.50", "50%", "3rd", "1990s" or "10:30".

    Returns:
        The words, or None if the token is no such number.
    """
    clock = _CLOCK.fullmatch(token)
    if clock:
        hours, minutes = int(clock[1]), int(clock[2])
        return spell_cardinal(hours) + (_spell_two_digits(minutes) if minutes else [])
    match = _NUMBER.fullmatch(re.sub(r"(?<=\d),(?=\d{3})", "", token))
    if match is None:
        return None
    before, whole, part, ending, after = match.group("before", "whole", "part", "ending", "after")
    is_year = len(whole) == 4 and int(whole) in _YEARS and "," not in token and part is None and not before
    words = _spell_whole(whole, is_year=is_year)
    words = _add_ending(words, (ending or "").lower().strip("'’"))
    money = _MONEY.get(before) or _MONEY.get(after)
    if money:
        words += _spell_money(money, whole, part)
    elif part:
        words += ["point", *_spell_digits(part)]
    if before in _SIGNS:
        words.insert(0, _SIGNS[before])
    if after in _UNITS:
        words.append(_UNITS[after])
    return words


def _spell_whole(digits: str, *, is_year: bool) -> list[str]:
    if (len(digits) > 1 and digits[0] == "0") or len(digits) > _MAX_CARDINAL_DIGITS:
        return _spell_digits(digits)
    return spell_year(int(digits)) if is_year else spell_cardinal(int(digits))


def _add_ending(words: list[str], ending: str) -> list[str]:
    """Make the last word an ordinal ("st", "nd", "rd", "th") or a plural ("s")."""
    *rest, last = words
    if ending in ("st", "nd", "rd", "th"):
        last = spell_ordinal(last)
    elif ending == "s":
        last = last[:-1] + "ies" if last.endswith("y") else last + "s"
    return [*rest, last]


def _spell_money(names: tuple[str, str], whole: str, part: str | None) -> list[str]:
    """Spell the rest of an amount after its whole part: the currency, and the cents without their name."""
    currency = names[0]
    significant = whole.lstrip("0")
    is_one = len(significant) == 1 and int(significant) == 1
    words = [currency if is_one or currency == "yen" else f"{currency}s"]
    cents = int((part or "")[:2].ljust(2, "0"))
    return words + (spell_cardinal(cents) if cents else [])


def spell_ordinal(word: str) -> str:
    """Return the ordinal of a number word: third of three, twentieth of twenty."""
    if word in _IRREGULAR_ORDINALS:
        return _IRREGULAR_ORDINALS[word]
    return word[:-1] + "ieth" if word.endswith("y") else word + "th"


LETTER_ARPABET = {
    "a": "EY",
    "b": "B IY",
    "c": "S IY",
    "d": "D IY",
    "e": "IY",
    "f": "EH F",
    "g": "JH IY",
    "h": "EY CH",
    "i": "AY",
    "j": "JH EY",
    "k": "K EY",
    "l": "EH L",
    "m": "EH M",
    "n": "EH N",
    "o": "OW",
    "p": "P IY",
    "q": "K Y UW",
    "r": "AA R",
    "s": "EH S",
    "t": "T IY",
    "u": "Y UW",
    "v": "V IY",
    "w": "D AH B AH L Y UW",
    "x": "EH K S",
    "y": "W AY",
    "z": "Z IY",
}
"""ARPAbet of each letter's name."""

# "left[letters]right=sounds", tried in order for each letter. The letter-to-sound rules are those of the Naval Research
# Laboratory (Elovitz et al., Letter-to-Sound Rules for Automatic Translation of English Text to Phonetics, 1976).
# In contexts: # vowels, : consonants or none, ^ one consonant, . a voiced consonant, + one of e i y, % a suffix
# (er e es ed ing ely), & a sibilant, @ a consonant before which u is "oo", space the edge of the word.
_RULES = """
 [a] =AH| [are] =AA R| [ar]o=AH R|[ar]#=EH R|^[as]#=EY S|[a]wa=AH|[aw]=AO| :[any]=EH N IY|[a]^+#=EY|#:[ally]=AH L IY
 [al]#=AH L|[again]=AH G EH N|#:[ag]e=IH JH|[a]^+:#=AE| :[a]^+ =EY|[a]^%=EY| [arr]=AH R|[arr]=AE R| :[ar] =AA R
[ar] =ER|[ar]=AA R|[air]=EH R|[ai]=EY|[ay]=EY|[au]=AO|#:[al] =AH L|#:[als] =AH L Z|[alk]=AO K|[al]^=AO L
 :[able]=EY B AH L|[able]=AH B AH L|[ang]+=EY N JH|[a] =AH|[a]=AE
 [be]^#=B IH|[being]=B IY IH NG| [both] =B OW TH| [bus]#=B IH Z|[buil]=B IH L|[bb]=B|m[b] =|[b]=B
 [ch]^=K|^e[ch]=K|[cch]=CH|[ch]=CH| s[ci]#=S AY|[ci]a=SH|[ci]o=SH|[ci]en=SH|[cc]+=K S|[cc]=K|[c]+=S|[ck]=K
[com]%=K AH M|[c]=K
#:[ded] =D IH D|.e[d] =D|#:^e[d] =T| [de]^#=D IH| [do] =D UW| [does]=D AH Z| [doing]=D UW IH NG|[dge]=JH|[dg]+=JH
[du]a=JH UW|[dd]=D|[d]=D
#:[e] =| :^[e] =| :[e] =IY|#[ed] =D|#:[e]d =|[ev]er=EH V|[e]^%=IY|[eri]#=IH R IY|[eri]=EH R IH|#:[er]#=ER
[er]#=EH R|[er]=ER| [even]=IY V EH N|#:[e]w=|@[ew]=UW|[ew]=Y UW|[e]o=IY|#:&[es] =IH Z|#:[e]s =|#:[ely] =L IY
#:[ement]=M AH N T|[eful]=F AH L|[ee]=IY|[earn]=ER N| [ear]^=ER|[ead]=EH D|#:[ea] =IY AH|[ea]su=EH|[ea]=IY
[eigh]=EY|[ei]=IY| [eye]=AY|[ey]=IY|[eu]=Y UW|#:[en] =AH N|#:[ent] =AH N T|#:[ence] =AH N S|[e]=EH
[ful]=F AH L|[ff]=F|[f]=F
[giv]=G IH V| [g]i^=G|[ge]t=G EH|su[gges]=G JH EH S|[gg]=G| b#[g]=G|[g]+=JH|[great]=G R EY T|#[gh]=|[gn] =N
 [gn]=N|[g]=G
 [hav]=HH AE V| [here]=HH IY R| [hour]=AW ER|[how]=HH AW|[h]#=HH|[h]=
 [in]=IH N| [i] =AY|[in]d=AY N|[ier]=IY ER|#:r[ied] =IY D|[ied] =AY D|[ien]=IY EH N|[ie]t=AY EH| :[i]%=AY
[i]%=IY|[ie]=IY|[i]^+:#=IH|[ir]#=AY R|[iz]%=AY Z|[is]%=AY Z|[i]d%=AY|+^[i]^+=IH|[i]t%=AY|#:^[i]^+=IH|[i]^+=AY
[ir]=ER|[igh]=AY|[ild]=AY L D|[ign] =AY N|[ign]^=AY N|[ign]%=AY N|[ique]=IY K|[io]=IY OW|[ia]=IY AH|[i] =IY|[i]=IH
[j]=JH
 [k]n=|[k]=K
[lo]c#=L OW|l[l]=|#:^[l]%=AH L|[lead]=L IY D|[l]=L
[mov]=M UW V|[mm]=M|[m]=M
e[ng]+=N JH|[ng]r=NG G|[ng]#=NG G|[ngl]%=NG G AH L|[ng]=NG|[nk]=NG K| [now] =N AW|[nn]=N|[n]=N
[of] =AH V|[orough]=ER OW|#:[or] =ER|#:[ors] =ER Z|[or]=AO R| [one]=W AH N|[ow] =OW|[ow]=OW| [over]=OW V ER
[ov]=AH V|[o]^%=OW|[o]^en=OW|[o]^i#=OW|[ol]d=OW L|[ought]=AO T|[ough]=AH F| [ou]=AW|h[ou]s#=AW|[ous]=AH S
[our]=AO R|[ould]=UH D|^[ou]^l=AH|[oup]=UW P|[ou]=AW|[oy]=OY|[oing]=OW IH NG|[oi]=OY|[oor]=AO R|[ook]=UH K
[ood]=UH D|[oo]=UW|[o]e=OW|[o] =OW|[oa]=OW| [only]=OW N L IY| [once]=W AH N S|[o]ng=AO| :^[on]=AA N|#:[on] =AH N
#:[on]^=AH N|[o]st =OW|[of]^=AO F|[other]=AH DH ER|[oss] =AO S|#:^[om]=AH M|[o]=AA
[ph]=F|[peop]=P IY P|[pow]=P AW|[put] =P UH T|[pp]=P| [ps]=S| [pn]=N|[p]=P
[quar]=K W AO R|[que] =K|[qu]=K W|[q]=K
 [re]^#=R IY|[rr]=R| [rh]=R|[r]=R
[sh]=SH|#[sion]=ZH AH N|[some]=S AH M|#[sur]#=ZH ER|[sur]#=SH ER|#[su]#=ZH UW|#[ssu]#=SH UW|#[sed] =Z D|#[s]#=Z
[said]=S EH D|^[sion]=SH AH N|[ssion]=SH AH N|[ss]=S|.[s] =Z|#:.e[s] =Z|#:^##[s] =Z|#:^#[s] =S|u[s] =S| :#[s] =Z
##[s] =Z| [sch]=S K|[sc]+=S|#[sm] =Z AH M|[s]=S
 [the] =DH AH|[to] =T UW|[that] =DH AE T| [this] =DH IH S| [they]=DH EY| [there]=DH EH R|[ther]=DH ER
[their]=DH EH R| [than] =DH AE N| [them] =DH EH M| [these] =DH IY Z| [then]=DH EH N|[through]=TH R UW
[those]=DH OW Z|[though] =DH OW| [thus]=DH AH S|[th]=TH|#:[ted] =T IH D|s[ti]#n=CH|[ti]o=SH|[ti]a=SH|[tien]=SH AH N
[tur]#=CH ER|[tu]a=CH UW| [two]=T UW|[tch]=CH|[tt]=T|[t]=T
 [un]i=Y UW N| [un]=AH N| [upon]=AH P AO N|@[ur]#=UH R|[ur]#=Y UH R|[ur]=ER|[u]^ =AH|[u]^^=AH|[uy]=AY| g[u]#=
g[u]%=|g[u]#=W|#n[u]=Y UW|@[u]=UW|[u]=Y UW
[view]=V Y UW|[v]=V
 [were]=W ER|[wa]s=W AA|[wa]t=W AO|[where]=W EH R|[what]=W AH T|[whol]=HH OW L|[who]=HH UW|[wh]=W|[war]=W AO R
[wor]^=W ER|[wr]=R|[w]=W
 [x]=Z|[x]=K S
[young]=Y AH NG| [you]=Y UW| [yes]=Y EH S| [y]=Y|#:^[y] =IY|#:^[y]i=IY| :[y] =AY| :[y]#=AY| :[y]^+:#=IH| :[y]^#=AY
[y] =IY|[y]=IH
[zz]=Z|[z]=Z
"""

_VOWELS = "aeiouy"
_CONTEXT = {
    "#": f"[{_VOWELS}]+",
    ":": f"[^{_VOWELS} ]*",
    "^": f"[^{_VOWELS} ]",
    ".": "[bdvgjlmnrwz]",
    "+": "[eiy]",
    "%": "(?:er|ed|es|e|ing|ely)(?= )",
    "&": "(?:ch|sh|[scgzxj])",
    "@": "(?:th|ch|sh|[tsrdlznj])",
    " ": " ",
}


class _Rule(NamedTuple):
    """A letter-to-sound rule: letters between two contexts, and their ARPAbet."""

    before: re.Pattern[str]
    letters: str
    after: re.Pattern[str]
    sounds: list[str]


@cache
def _parse_rules() -> dict[str, list[_Rule]]:
    """Parse the rules, by the first of their letters."""
    rules: dict[str, list[_Rule]] = {}
    for line in _RULES.split("\n"):
        for rule in line.split("|"):
            if "=" not in rule:
                continue
            place, sounds = rule.split("=")
            left, rest = place.split("[")
            letters, right = rest.split("]")
            before = re.compile("".join(_CONTEXT.get(c, c) for c in left) + r"\Z")
            after = re.compile("".join(_CONTEXT.get(c, c) for c in right))
            rules.setdefault(letters[0], []).append(_Rule(before, letters, after, sounds.split()))
    return rules


def letters_to_arpabet(word: str) -> list[str]:
    """Return the ARPAbet of an English word by rules; letters without a rule are skipped.

    Args:
        word: The word in lower case.
    """
    text = f" {re.sub('[^a-z]', '', word)} "
    sounds: list[str] = []
    i = 1
    while i < len(text) - 1:
        for rule in _parse_rules()[text[i]]:
            fits = text.startswith(rule.letters, i) and rule.after.match(text, i + len(rule.letters))
            if fits and rule.before.search(text[:i]):
                sounds += rule.sounds
                i += len(rule.letters)
                break
        else:
            i += 1
    return sounds
