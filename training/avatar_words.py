"""What the parts and colours of DiceBear's drawings are called: attributes and captions for draw_avatars.py.

The words are those of the first avatars-64-captions, but for "a orange bun", which is "an orange bun" here (596 of
40,000 captions). Some are rough: of open-peeps every hair is
called black, though some heads have hair of another colour; dylan's blue hair is called purple; adventurer's dark
violet hair is called black.
"""

from __future__ import annotations

Parts = dict[str, object]  # of one portrait: {"hair": "short01", "hairColor": "#0e0e0e", "glasses": "round", ...}


def _by_part(**names: str) -> dict[str, str]:
    """{"bald": "a b"} turned around: {"a": "bald", "b": "bald"}; "_" in the word stands for a space."""
    return {part: word.replace("_", " ") for word, parts in names.items() for part in parts.split()}


# Style -> colour of the hair, as hexadecimal number -> word.
HAIR_COLOURS = {
    "adventurer": _by_part(
        orange="ac6511 cb6820", blond="b9a05f e5d7a3", black="0e0e0e 592454", pink="dba3be", turquoise="85c2c6",
        green="3eac2c", brown="562306 6a4e35 796a45", grey="afafaf", red="ab2a18"),
    "big-smile": _by_part(
        black="220f00", yellow="e9b729", blond="e2ba87", purple="605de4", brown="3a1a00 71472d", turquoise="238d80",
        orange="d56c0c"),
    "dylan": _by_part(white="ffffff", yellow="fff500", red="ff543d", black="000000", purple="1d5dff"),
    "micah": _by_part(
        turquoise="6bd9e9", blue="9287ff", white="d2eff3 e0ddff f9c9b6 ffedef ffffff", pink="fc909f", blond="ffeba4",
        brown="77311d ac6651", yellow="f4d150", black="000000"),
    "personas": _by_part(pink="e15c66 e16381", white="dee1f5", black="362c47", orange="f27d65 f29c65", brown="6c4545"),
    "toon-head": _by_part(orange="a55728", blond="b58143 d6b370", black="2c1b18", brown="724133"),
}  # fmt: skip

# Style -> hair ("head" in open-peeps) -> word. adventurer's names say it themselves; lorelei's say nothing.
HAIR = {
    "big-smile": _by_part(
        a_bun="bunHair froBun", a_mohawk="mohawk", curly="curlyBob curlyShortHair", braids="braids",
        shaved="halfShavedHead shavedHead", short="bowlCutHair shortHair", long="bangs straightHair", wavy="wavyBob"),
    "dylan": _by_part(
        short="flatTop parting plain roundBob", a_bun="buns", long="bangs longCurls shaggy", wavy="wavy",
        spiky="spiky", curly="fluffy shortCurls"),
    "micah": _by_part(
        bald="dougFunny mrClean", a_mohawk="mrT", short="dannyPhantom fonze pixie", a_turban="turban", long="full"),
    "open-peeps": _by_part(
        curly="afro bantuKnots cornrows cornrows2 dreads1 dreads2 longAfro longCurly twists twists2",
        long="bangs bangs2 long longBangs medium1 medium2 medium3 mediumBangs mediumBangs2 mediumBangs3 mediumStraight",
        short="flatTop flatTopLong grayMedium grayShort pomp short1 short2 short3 short4 short5",
        a_turban="hijab turban", a_cap="bear hatBeanie hatHip", a_bun="bun bun2 buns grayBun",
        a_mohawk="mohawk mohawk2", bald="noHair1 noHair2 noHair3", shaved="shaved1 shaved2 shaved3"),
    "personas": _by_part(
        a_bun="bunUndercut curlyBun straightBun", short="bobBangs bobCut shortCombover shortComboverChops",
        curly="curly curlyHighTop", shaved="buzzcut fade sideShave", bald="bald balding", long="extraLong long",
        a_cap="beanie cap", a_mohawk="mohawk", pigtails="pigtails"),
    "toon-head": _by_part(a_bun="bun", short="sideComed undercut", spiky="spiky"),
}  # fmt: skip
COVERED = ("bald", "a cap", "a turban")  # the colour of the hair cannot be seen

SKINS = {
    "adventurer": _by_part(light="ecad80 f2d3b1", dark="763900 9e5622"),
    "big-smile": _by_part(light="e2ba87 efcc9f f5d7b1 ffe4c0", medium="a47539 c99c62", dark="643d19 8c5a2b"),
    "dylan": _by_part(light="ffd6c0", medium="c26450"),
    "micah": _by_part(light="f9c9b6", medium="ac6651", dark="77311d"),
    "open-peeps": _by_part(light="edb98a ffdbb4", medium="d08b5b", dark="694d3d ae5d29"),
    "personas": _by_part(light="eeb4a4", medium="b16a5b d78774 e5a07e e7a391", dark="623d36 92594b"),
    "toon-head": _by_part(light="f1c3a5", medium="a36b4f b98e6a c68e7a", dark="5c3829"),
}

# Style -> mouth ("face" in open-peeps, "mood" in dylan) -> word. What is not listed has no word.
MOODS = {
    "big-smile": _by_part(
        smiling="awkwardSmile braces gapSmile kawaii teethSmile", serious="unimpressed", laughing="openedSmile",
        sad="openSad"),
    "dylan": _by_part(
        serious="neutral", smiling="happy", laughing="superHappy", angry="angry", confused="confused",
        hopeful="hopeful", sad="sad"),
    "micah": _by_part(
        nervous="nervous", sad="frown sad", laughing="laughing", smirking="smirk", surprised="surprised",
        smiling="smile", kissing="pucker"),
    "open-peeps": _by_part(
        smiling="cheeky cute lovingGrin1 lovingGrin2 smile smileTeethGap", angry="angryWithFang rage veryAngry",
        serious="calm eyesClosed serious", surprised="awe", afraid="concernedFear fear",
        laughing="smileBig smileLOL", tired="tired", sad="concerned"),
    "personas": _by_part(
        surprised="surprise", smiling="smile", laughing="bigSmile", serious="lips", pacifier="pacifier",
        smirking="smirk", sad="frown"),
    "toon-head": _by_part(surprised="agape", sad="sad", laughing="laugh", angry="angry", smiling="smile"),
}  # fmt: skip
BACKGROUNDS = {
    "b6e3f4": "blue", "c0aede": "lilac", "c8ecd0": "green", "ffd5dc": "pink", "ffdfbf": "peach", "ffffff": "white",
}  # fmt: skip

# English style and the Chinese of everything.
LOOKS = {
    "adventurer": ("comic", "漫画"), "big-smile": ("big-smile", "大笑"), "dylan": ("round-head", "圆头"),
    "lorelei": ("ink", "水墨线描"), "micah": ("outline", "描边"), "open-peeps": ("sketch", "速写"),
    "personas": ("flat", "扁平"), "toon-head": ("toon", "卡通"),
}  # fmt: skip
CHINESE_COLOURS = {
    "black": "黑色", "blond": "金色", "blue": "蓝色", "brown": "棕色", "green": "绿色", "grey": "灰色",
    "orange": "橙色", "pink": "粉色", "purple": "紫色", "red": "红色", "turquoise": "青色", "white": "白色",
    "yellow": "黄色", "lilac": "淡紫色", "peach": "桃色",
}  # fmt: skip
CHINESE_HAIR = {
    "": "头发", "a bun": "发髻", "a mohawk": "莫西干头", "braids": "辫子", "curly": "卷发", "long": "长发",
    "pigtails": "双马尾", "shaved": "寸头", "short": "短发", "spiky": "刺猬发", "wavy": "波浪发", "bald": "光头",
    "a cap": "戴帽子", "a turban": "戴头巾",
}  # fmt: skip
CHINESE_SKINS = {"light": "浅肤色", "medium": "中等肤色", "dark": "深肤色"}
CHINESE_MOODS = {
    "afraid": "害怕", "angry": "生气", "confused": "困惑", "hopeful": "期待", "kissing": "嘟嘴", "laughing": "大笑",
    "nervous": "紧张", "pacifier": "含奶嘴", "sad": "难过", "serious": "严肃", "smiling": "微笑", "smirking": "坏笑",
    "surprised": "惊讶", "tired": "疲倦",
}  # fmt: skip


def attributes(style: str, parts: Parts) -> dict[str, str | bool]:
    """What is known of a portrait: style, background, hair_colour, hair, skin, glasses, beard, mood."""
    hair, colour = _hair(style, parts), HAIR_COLOURS.get(style, {}).get(_hex(parts.get("hairColor")), "black")
    skin = _hex(parts.get("baseColor" if style == "micah" else "skinColor"))
    known = {
        "style": style,
        "background": BACKGROUNDS[_hex(parts["primaryBackgroundColor"])],
        "hair_colour": "" if hair in COVERED else colour,
        "hair": hair,
        "skin": SKINS.get(style, {}).get(skin, ""),
        "glasses": any("glasses" in str(parts.get(part, "")).lower() for part in ("accessories", "eyes"))
        or bool(parts.get("glasses")),
        "beard": bool(parts.get("beard") or parts.get("facialHair"))
        or "mustache" in (parts.get("features"), parts.get("accessories")),
        "mood": _mood(style, parts),
    }
    return {name: value for name, value in known.items() if value != ""}


def english(known: dict[str, str | bool]) -> str:
    """ "a smiling person with long pink hair, a beard and medium skin, lilac background, outline style"."""
    mood, skin = known.get("mood", ""), known.get("skin")
    who = f"{mood} person" if mood not in ("", "pacifier") else "person"
    holds = " with a pacifier" if mood == "pacifier" else ""
    shown = [_english_hair(known.get("hair", ""), known.get("hair_colour", ""))]
    shown += [word for word, there in (("a beard", known["beard"]), ("glasses", known["glasses"])) if there]
    shown += [f"{skin} skin"] if skin else []
    together = " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
    article = "an" if who[0] in "aeiou" else "a"
    return f"{article} {who}{holds} with {together}, {known['background']} background, {LOOKS[known['style']][0]} style"


def chinese(known: dict[str, str | bool]) -> str:
    """ "粉色长发、留胡子、中等肤色的微笑的人，淡紫色背景，描边风格"."""
    shown = [CHINESE_COLOURS.get(known.get("hair_colour"), "") + CHINESE_HAIR[known.get("hair", "")]]
    shown += [word for word, there in (("留胡子", known["beard"]), ("戴眼镜", known["glasses"])) if there]
    shown += [CHINESE_SKINS[known["skin"]]] if "skin" in known else []
    mood = f"{CHINESE_MOODS[known['mood']]}的" if "mood" in known else ""
    look = LOOKS[known["style"]][1]
    return f"{'、'.join(shown)}的{mood}人，{CHINESE_COLOURS[known['background']]}背景，{look}风格"


def _hex(colour: object) -> str:
    return str(colour or "").removeprefix("#").lower()


def _hair(style: str, parts: Parts) -> str:
    if style == "adventurer":
        return "long" if str(parts["hair"]).startswith("long") else "short"
    if style == "toon-head" and str(parts.get("rearHair", "")).startswith("long"):
        return "long"
    return HAIR.get(style, {}).get(str(parts.get("head" if style == "open-peeps" else "hair")), "")


def _mood(style: str, parts: Parts) -> str:
    if style == "lorelei":
        return "sad" if str(parts["mouth"]).startswith("sad") else "smiling"
    part = {"open-peeps": "face", "dylan": "mood"}.get(style, "mouth")
    return MOODS.get(style, {}).get(str(parts.get(part)), "")


def _english_hair(hair: str, colour: str) -> str:
    if hair in COVERED:
        return "no hair" if hair == "bald" else hair
    if hair.startswith("a "):
        return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {hair.removeprefix('a ')}"
    if hair in ("braids", "pigtails"):
        return f"{colour} {hair}"
    return f"{colour} shaved hair" if hair == "shaved" else " ".join(filter(None, (hair, colour, "hair")))
