"""Messages that ask for nothing: greetings, thanks, consent."""

from __future__ import annotations

import re

from .terms import STOP_WORDS

_LONGEST = 200
"""A longer message is not compared: it says more than a greeting does."""

_WORD = re.compile(r"\w+")

# Of some of the most common languages; one that is missing costs one search that finds little.
_SMALL_TALK = frozenset(
    """hi hello hey morning evening afternoon night bye goodbye welcome thanks thank thx ty cheers
    ok okay yes yeah yep nope sure fine good great nice perfect cool awesome wonderful lot much
    sorry continue go ahead stop right alright correct exactly agreed done got
    hallo moin guten gute tag morgen abend nacht tschüss danke bitte schön sehr vielen dank ja nein
    gut super genau weiter prima klar
    bonjour bonsoir salut merci beaucoup oui non bien parfait
    hola buenos buenas días dias tardes noches adiós adios gracias muchas sí si vale bien claro
    perfecto olá ola obrigado obrigada bom boa dia tarde noite sim não tchau
    ciao buongiorno buonasera grazie mille sì va bene
    hoi dag dank je wel goed tak tack hej kiitos moi dzięki dziękuję cześć tak nie
    привет здравствуйте спасибо да нет пока хорошо дякую
    merhaba teşekkürler evet tamam
    مرحبا شكرا نعم لا שלום תודה नमस्ते धन्यवाद
    你好 您好 谢谢 謝謝 好 好的 再见 是的
    こんにちは おはよう おはようございます ありがとう ありがとうございます はい いいえ
    안녕하세요 감사합니다 고마워요 네 아니요 xin chào cảm ơn สวัสดี ขอบคุณ""".split()  # noqa: SIM905 - like the stop words
)


def is_small_talk(message: str) -> bool:
    """Whether every word of ``message`` says nothing about a topic; also if it has no word."""
    if len(message) > _LONGEST:
        return False
    words = {word.lower() for word in _WORD.findall(message)}
    return not words - _SMALL_TALK - STOP_WORDS
