"""What Spanish shows of how something is said, whatever it is about: closed word classes, endings, marks."""

import re

MARKS = "¿?¡!.,;:…"
TOKEN = re.compile(rf"\w+|[{MARKS}]")
LONG = 4  # letters: longer words keep three letters in an outline, others two

# closed classes of the grammar, nothing about topics; words of several classes count in each
CLASSES = {
    "i": "yo me mi mis mí conmigo mío mía míos mías",
    "we": "nosotros nosotras nos nuestro nuestra nuestros nuestras",
    "you": "tú te ti tu tus contigo tuyo tuya tuyos tuyas vos",
    "you, formal": "usted ustedes señor señora señores señoras señoría señorías",
    "you, plural": "vosotros vosotras os vuestro vuestra vuestros vuestras",
    "they": "él ella ellos ellas su sus le les lo la los las se",
    "negation": "no ni nunca nada nadie ningún ninguna ninguno tampoco jamás sin",
    "interjection": "ay oh eh ah uy bah hala venga vamos anda hombre mujer madre dios joder jo ole olé vaya",
    "laughter": "ja jaja jajaja je jeje",
    "degree": "muy tan tanto tanta tantos tantas mucho mucha muchos muchas más demasiado totalmente absolutamente "
    "siempre todo toda todos todas",
    "question": "qué quién quiénes cómo cuándo dónde cuál cuáles cuánto cuánta por",
    "thanks": "gracias felicidades enhorabuena",
    "conjunction": "y e o pero porque que si aunque sino pues",
    "preposition": "de del en a al con por para sobre entre según desde hasta",
    "article": "el la los las un una unos unas",
    "pointing": "este esta esto estos estas ese esa eso esos esas aquel aquella ahí allí aquí",
    "being": "es son era fue ser está están estaba estar hay ha han he hemos",
}
CLOSED = {name: frozenset(words.split()) for name, words in CLASSES.items()}
GRAMMAR = frozenset().union(*CLOSED.values())

ENDINGS = {
    "we do": r"mos$",
    "you did": r"(ste|steis|áis|éis)$",
    "i did": r"[^aeiou][éí]$",
    "was doing": r"(aba|aban|abas|ía|ían|ías|ábamos|íamos)$",
    "they did": r"(ó|aron|ieron)$",
    "will do": r"(ré|rás|rá|remos|rán)$",
    "imperative with pronoun": r"([aei]d|[aeé])(me|nos|les|los|las|lo|la|le|te|os)$",
    "doing": r"ndo$",
    "done": r"([ai]d[oa]s?)$",
    "infinitive": r"[aei]r$",
    "diminutive": r"it[oa]s?$",
    "superlative": r"ísim[oa]s?$",
    "adverb": r"mente$",
    "abstract noun": r"(ción|ciones|dad|dades)$",
    "plural": r"s$",
}
ENDED = {name: re.compile(pattern) for name, pattern in ENDINGS.items()}


def outline(text: str) -> list[str]:
    """A text without its topic: words of the grammar and marks stay, of others their ending; names and numbers as such.

    The clip's beginning tells whether it was cut from the middle of a sentence (a small letter).

    >>> " ".join(outline("y me dijo Marta: ¡corre!"))
    '<begun y me -jo <name> : ¡ -rre ! <end>'
    """
    found = ["<begun" if text[:1].islower() else "<start"]
    for token in TOKEN.findall(text):
        found.append(_outlined(token, begins=len(found) == 1 or found[-1] in ".?!¿¡…"))
    return [*found, "<end>"]


def _outlined(token: str, begins: bool) -> str:
    word = token.lower()
    if token in MARKS or word in GRAMMAR:
        return word
    if word[0].isdigit():
        return "<number>"
    if token[0].isupper() and not begins:
        return "<name>"
    return "-" + word[-3 if len(word) > LONG else -2 :]
