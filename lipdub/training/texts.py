"""Made-up text to be spoken by synthesisers: words of this file and invented words, in many scripts."""

from __future__ import annotations

import random

ENGLISH = (
    "about above across after again air all almost also always amber among anchor angry answer apple april "
    "arm arrow ask autumn avoid away baby back bake balloon bamboo bank baseball basket bath beach beautiful "
    "because become bed before begin behind believe below bench better between beyond bicycle big bird "
    "birthday blame blue board boat body bone book both bottle bottom bowl box boy bread break bridge bright "
    "bring broken brother brown build bump burn bus busy butter buy cabin call camera camp can captain car "
    "careful carry castle catch chair chance change cheap cheese chicken child choice church circle city "
    "clear climb clock close cloud coat coffee cold colour come computer cook copper corn count country "
    "couple cover cow crowd cup curve dance danger dark daughter day decide deep desk dinner doctor dog door "
    "double down draw dream drive drop dry during each early earth east easy eat edge eight either empty "
    "enough even evening ever every example eye face fact fall family famous far farm father favour fear "
    "feather february feel few field fifty fight film find finger fire first fish five floor flower fly "
    "follow food foot forest forget fork forty found four free friday friend from fruit full funny future "
    "garden gather gentle giant gift girl give glass goat going gold good goose grass great green ground "
    "group grow guess half hammer hand happy hard have head health hear heart heavy help here hidden high "
    "hill history hold holiday home honey hope horse hospital hot hour house how huge human hundred hungry "
    "husband idea important inside island jacket january job join journey joy judge juice july jump june "
    "jungle just keep key kind king kitchen knee knife know ladder lake lamp language large laugh law leaf "
    "learn leather leave left lemon letter library life light like lip list little live long look loud love "
    "low lucky lunch machine magic make man map march market maybe meadow mean measure meet member memory "
    "message middle might milk mind minute mirror moment monday money month moon more morning most mother "
    "mountain mouse mouth move much museum music must name narrow nature near neck need neighbour never new "
    "next nice night nine noise north nose nothing number ocean offer office often oil old olive once only "
    "open orange order other our outside over own page paint paper park part party path pay peace pebble "
    "pencil people pepper perhaps person phone photograph piano picture piece pink place plan plate play "
    "please pocket poem point poor possible potato power prepare present pretty price problem promise public "
    "pull pumpkin purple purpose push put quarter queen question quick quiet rabbit rain rather read ready "
    "really reason red remember rest return ribbon rice rich right river road robin rock roof room rope rose "
    "round rubber run sad safe sail salt same sand saturday save say school sea second secret see seem sell "
    "send september serve seven shadow shape share sharp she sheep ship shirt shoe shop short should "
    "shoulder show shut side silver simple sing sister sit six skin sky sleep slow small smile smooth snow "
    "soap soft some song soon sound soup south space speak special spoon sport spring square stair stamp "
    "star start station stay steam step still stone stop storm story straight strange street strong student "
    "such sudden sugar summer sun sure surprise sweet swim table take talk tall taste teach team television "
    "ten than thank that the their them then there these they thick thing think third this thought thousand "
    "three through thumb thunder thursday ticket time tired today together tomato tomorrow tonight tooth top "
    "touch tower town toy trade train travel treasure tree trouble trust try tuesday turn twelve twenty two "
    "umbrella uncle under until upon usual valley vegetable very village violin visit voice wait walk wall "
    "want warm wash watch water wave way weather wednesday week welcome well west what wheat wheel when "
    "where which while whisper white who why wide wife wild wind window winter wise wish with without woman "
    "wonder wood word work world worry worth would write wrong yard year yellow yes yesterday you young your "
    "zebra zero zone"
).split()
SENTENCES = (
    "we will meet you at the station tomorrow morning",
    "could you please open the window for a moment",
    "my mother bought a pair of brown boots for the baby",
    "the company has improved its plan for the future",
    "people often forget how beautiful this valley is",
    "I would rather walk home than wait for the bus",
    "this is the best film I have ever seen",
    "what do you think about that",
    "thank you very much for your help",
    "he put the book back on top of the shelf",
    "she is going to be famous some day",
    "the problem is not what we do but how we do it",
    "let me show you how it works",
    "I don't know where they are",
    "it was a very good idea to bring an umbrella",
    "you should have told me before we left",
    "every morning the farmer feeds five white sheep",
    "we hope that you will have a wonderful time",
    "there are many ways to measure the same thing",
    "I am really happy to be with you today",
    "please leave your message after the tone",
    "the judge measured the treasure with great pleasure",
    "both of them moved away from the big city",
    "why would anybody want to buy such an old car",
    "in the end it is up to you",
    "I've been working on this for about three years",
    "the weather will be warm and mostly sunny",
    "he never thought that it would be so simple",
    "first of all I want to welcome everybody",
    "that's why we have to make a choice right now",
)
_LATIN = {
    "de": "und aber nicht immer Haus Möwe schön Bücher früh Wasser Apfel Baum bitte heute morgen Mutter "
    "Vater Freund Straße Zeit fünf zwölf kommen gehen machen wollen über unter wieder vielleicht "
    "wichtig Pferd Pfanne Woche",
    "fr": "et mais toujours maison bonjour merci beaucoup pomme arbre petit grand femme homme rue deux "
    "trois peu lune plume voiture pain beurre vin blanc rouge jour nuit avec sans pour pourquoi "
    "peut-être bien beau fille",
    "es": "y pero siempre casa hola gracias mucho manzana árbol pequeño grande mujer hombre calle dos "
    "tres cuatro cinco luna pluma coche pan vino blanco rojo día noche con sin por qué bien bueno "
    "vamos ahora después año",
    "it": "e ma sempre casa buongiorno grazie molto mela albero piccolo grande donna uomo strada due "
    "tre quattro cinque luna penna macchina pane vino bianco rosso giorno notte con senza perché "
    "bene bello adesso dopo gente",
    "pt": "e mas sempre casa bom dia obrigado muito maçã árvore pequeno grande mulher homem rua dois "
    "três quatro cinco lua pena carro pão vinho branco vermelho noite com sem porque bem bonito "
    "agora depois gente não",
    "nl": "en maar altijd huis goedendag dank veel appel boom klein groot vrouw man straat twee drie "
    "vier vijf maan auto brood wijn wit rood dag nacht met zonder waarom goed mooi nu daarna "
    "mensen water vogel bloem",
    "sv": "och men alltid hus god dag tack mycket äpple träd liten stor kvinna man gata två tre fyra "
    "fem måne bil bröd vin vit röd dag natt med utan varför bra vacker nu sedan människor vatten "
    "fågel blomma sju",
    "pl": "i ale zawsze dom dzień dobry dziękuję bardzo jabłko drzewo mały duży kobieta człowiek ulica "
    "dwa trzy cztery pięć księżyc chleb wino biały czerwony noc bez dlaczego dobrze piękny teraz "
    "potem ludzie woda ptak",
    "tr": "ve ama her zaman ev merhaba teşekkürler çok elma ağaç küçük büyük kadın adam sokak iki üç "
    "dört beş ay araba ekmek şarap beyaz kırmızı gün gece niçin iyi güzel şimdi sonra insanlar su "
    "kuş çiçek yüz",
    "fi": "ja mutta aina talo hyvää päivää kiitos paljon omena puu pieni suuri nainen mies katu kaksi "
    "kolme neljä viisi kuu auto leipä viini valkoinen punainen yö ilman miksi hyvin kaunis nyt "
    "sitten ihmiset vesi lintu",
    "id": "dan tetapi selalu rumah selamat pagi terima kasih banyak apel pohon kecil besar perempuan "
    "orang jalan dua tiga empat lima bulan mobil roti putih merah hari malam dengan tanpa mengapa "
    "baik indah sekarang",
    "ro": "și dar mereu casă bună ziua mulțumesc mult măr copac mic mare femeie om stradă doi trei "
    "patru cinci lună mașină pâine vin alb roșu zi noapte cu fără pentru ce bine frumos acum după "
    "oameni apă pasăre",
}
_KANA = "かきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわんがぎぐげござじずぜぞだでどばびぶべぼぱぴぷぺぽあいうえお"
_HINDI = ("कखगघचछजझटडतथदधनपफबभमयरलवशसह", "ाीुूेैो")
_CYRILLIC = ("бвгджзклмнпрстфхцчшщ", "аеёиоуыэюя")
LANGUAGES = (
    "en-us",
    "en-us",
    "en-us",
    "en-us",
    "en",
    "en",
    "en-gb-scotland",
    *_LATIN,
    "ja",
    "hi",
    "ru",
    "ko",
    "cmn",
)
_CHINESE = "你好我们他是不在人有这中大来上国个到说时要就出会可也生年得多然小心家学现事没面想样都把学高手里如前行多方么都看起发只主从动去把本"


def english(rng: random.Random) -> str:
    """An English sentence: one of this file's, words at random, or words mixed with invented ones."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(SENTENCES)
    words = [rng.choice(ENGLISH) if rng.random() < 0.85 else invented(rng) for _ in range(rng.randint(4, 11))]
    if rng.random() < 0.35:
        words.insert(len(words) // 2, ",")
    return " ".join(words)


def invented(rng: random.Random) -> str:
    """A pronounceable word that no language has, in Latin letters."""
    onset = [
        "p",
        "b",
        "m",
        "f",
        "v",
        "t",
        "d",
        "n",
        "s",
        "z",
        "sh",
        "ch",
        "j",
        "l",
        "r",
        "k",
        "g",
        "h",
        "w",
        "y",
        "th",
        "br",
        "pl",
        "st",
        "fr",
        "sp",
        "bl",
        "kr",
        "qu",
        "sm",
        "",
    ]
    nucleus = ["a", "e", "i", "o", "u", "ee", "oo", "ai", "ou", "oy", "ea", "oa", "ar", "or", "er"]
    coda = ["", "", "", "m", "n", "p", "b", "t", "k", "s", "l", "r", "ng", "mp", "f", "v", "st"]
    return "".join(
        rng.choice(onset) + rng.choice(nucleus) + rng.choice(coda) for _ in range(rng.randint(1, 3))
    )


def text(language: str, rng: random.Random) -> str:
    """A short text for that espeak voice language: words known here and invented ones in the language's own
    script."""
    if language.startswith("en"):
        return english(rng)
    count = rng.randint(3, 8)
    if language in _LATIN:
        known = _LATIN[language].split()
        return " ".join(rng.choice(known) if rng.random() < 0.75 else invented(rng) for _ in range(count))
    return " ".join(_scripted(language, rng) for _ in range(count))


def _scripted(language: str, rng: random.Random) -> str:
    syllables = range(rng.randint(1, 4))
    if language == "ja":
        return "".join(rng.choice(_KANA) for _ in syllables)
    if language == "ko":  # first consonant, vowel, few finals, by the arithmetic of the Hangul block
        return "".join(
            chr(
                0xAC00
                + (rng.randrange(19) * 21 + rng.randrange(21)) * 28
                + rng.choice((0, 0, 4, 8, 16, 17, 21))
            )
            for _ in syllables
        )
    if language == "hi":
        return "".join(rng.choice(_HINDI[0]) + rng.choice(_HINDI[1]) for _ in syllables)
    if language == "ru":
        return "".join(rng.choice(_CYRILLIC[0]) + rng.choice(_CYRILLIC[1]) for _ in syllables)
    if language == "cmn":
        return "".join(rng.choice(_CHINESE) for _ in syllables)
    raise ValueError(f"no text for language {language!r}")
