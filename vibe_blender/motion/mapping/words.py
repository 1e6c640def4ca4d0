# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What bones are called in the languages that rigs come in: words, and what each one means."""

from __future__ import annotations

import unicodedata

_WORDS = {
    "left": """left lft lf lt links linke linker linkes gauche izquierda izquierdo izq izqda sinistra sinistro
        sx esquerda esquerdo esq лево левая левый левое лев л lewa lewy lewe sol 左 왼쪽 왼""",
    "right": """right rgt rght rt rechts rechte rechter rechtes droite droit derecha derecho der dcha destra
        destro dx direita direito dir право правая правый правое прав пр п prawa prawy prawe sag 右 오른쪽 오른""",
    "upper": "upper up upr ober oben haut superior sup superiore верх верхний верхняя верхнее bovenste 上",
    "lower": """lower low lwr lo fore unter unten inferior inf inferiore avant ante нижний нижняя нижнее низ 下
        前""",
    "pelvis": """pelvis hips pelv becken beckenknochen bassin bacino bacia pelve quadril caderas hanches fianchi
        anche hueften huften таз бедра miednica bekken 骨盆 骨盤 臀 胯 下半身 골반""",
    "hip": "hip hufte huefte hanche cadera anca quadris heup biodro",
    "waist": "waist cintura taille taillie talia 腰 허리 пояс vita",
    "body": "body corps cuerpo corpo korper koerper тело 身体 體",
    "spine": """spine spinal back vertebra vertebrae vertebre trunk lumbar thoracic dorsal lumbares lombaires
        lombare lende lenden kreuz wirbelsaule wirbelsaeule wirbel rucken ruecken ruckgrat rueckgrat colonne
        colonna columna coluna espalda espinha espina spina schiena dos costas позвоночник спина хребет
        kregoslup rug wervel 脊椎 脊柱 脊 背骨 背 上半身 척추""",
    "chest": """chest thorax sternum ribcage torso torse abdomen abdominal abdo belly stomach tummy brust
        brustkorb bauch bauchraum oberkorper poitrine ventre pecho torax vientre barriga peito abdome petto
        torace addome pancia rumpf грудь живот торс туловище грудная klatka borst buik 胸 腹 가슴""",
    "neck": "neck cervical hals nacken cou nuque cuello pescoco collo шея szyja nek 首 颈 頸 脖 목",
    "head": "head skull cranium kopf schadel tete cabeza cabeca testa голова череп glowa hoofd 頭 头 머리",
    "clavicle": """clavicle clav clavic collar collarbone scapula schlusselbein schluesselbein clavicule
        clavicula clavicola ключица лопатка obojczyk sleutelbeen 鎖骨 锁骨 쇄골""",
    "shoulder": "shoulder shldr shoulders schulter epaule hombro ombro spalla плечо bark schouder 肩 어깨",
    "arm": "arm bras brazo braco braccio рука руки ramie 臂 腕 팔",
    "upperarm": """upperarm uparm uarm bicep biceps humerus oberarm bovenarm плечевая 上腕 上臂 大臂 二の腕 위팔
        상완""",
    "forearm": """forearm lowerarm loarm lowarm farm ulna radius unterarm avantbras antebrazo antebraco
        avambraccio предплечье przedramie onderarm 前腕 前臂 小臂 下臂 아래팔 전완""",
    "elbow": "elbow ellbogen ellenbogen coude codo cotovelo gomito локоть lokiec elleboog 肘 ひじ ヒジ 팔꿈치",
    "wrist": "wrist handgelenk poignet muneca pulso polso punho запястье nadgarstek pols 手首 手腕 손목",
    "hand": "hand main mano mao кисть ладонь dlon 手 手掌 손",
    "leg": "leg bein jambe pierna perna gamba нога ноги noga 腿 다리",
    "thigh": """thigh upperleg upleg femur oberschenkel oberbein cuisse muslo coxa coscia бедро udo dij
        bovenbeen 大腿 太もも 太腿 もも 허벅지""",
    "knee": "knee knie genou rodilla joelho ginocchio колено kolano 膝 ひざ ヒザ 무릎",
    "shin": """shin calf crus tibia fibula lowerleg loleg lowleg unterschenkel unterbein schienbein wade mollet
        espinilla pantorrilla canela panturrilha stinco polpaccio голень икра lydka scheen onderbeen 小腿 下腿
        脛 すね ふくらはぎ 종아리""",
    "foot": "foot feet fuss fusse fusz pied pieds pie pies piede стопа ступня stopa voet 脚 腳 발",
    "legorfoot": "足 pe",
    "ankle": """ankle knochel knoechel cheville tobillo tornozelo caviglia лодыжка щиколотка kostka enkel 足首
        脚踝 踝 발목""",
    "toe": """toe toes toebase ball zeh zehe zehen zehenspitze orteil orteils ballen dedosdelpie puntera носок
        пальцыног teen tenen つま先 爪先 足先 足趾 脚趾 脚尖 趾 발가락""",
    "root": """root master origin traj trajectory world global reference wurzel racine raiz radice корень
        全ての親 根""",
    "twist": "twist twst roll rolle drehung torsion torsione скрутка 捩 捻 扭 ねじり 비틀",
    "end": "end nub tip site effector endsite ende bout punta spitze конец 先 末端 끝",
    "finger": """finger fingers thumb index ring pinky pinkie metacarpal metacarpals carpal carpals palm palma
        middlefinger forefinger daumen zeigefinger mittelfinger ringfinger kleinerfinger doigt pouce annulaire
        auriculaire majeur dedo dedos pulgar indice anular menique polegar indicador anelar minimo dito dita
        pollice anulare mignolo палец пальцы большой указательный 指 親指 人差指 人指 中指 薬指 小指 拇指 食指
        손가락 엄지 metatarsal metatarsals heel ferse talon talloni 踵 かかと""",
    "middle": "middle mid mitte mittel milieu medio media moyen средний 中 中間",
    "face": """eye eyes eyelid lid jaw chin lip lips mouth tongue teeth tooth ear ears nose nostril cheek brow
        eyebrow forehead temple face facial auge kiefer zunge ohr nase oeil machoire langue oreille nez ojo
        mandibula lengua oreja nariz boca occhio mascella lingua orecchio naso bocca olho глаз челюсть язык ухо
        нос 目 眼 顎 舌 耳 鼻 口 眉 颊 눈 턱 귀 코 입""",
    "soft": """hair bang bangs ponytail pigtail braid cloth clothes skirt dress cape cloak coat robe sleeve
        scarf ribbon tie hood hat belt bag strap tail wing wings breast breasts boob boobs bust nipple pectoral
        pec pecs butt buttock glute glutes genital penis testicle jiggle bounce dyn dynamic physics phys spring
        muscle muscles armor armour weapon sword gun prop holster haare haar rock umhang brueste cheveux jupe
        cape seins pelo falda capa capelli gonna mantello seno волосы юбка плащ 髪 发 頭髮 頭发 头发 スカート 裙
        乳 胸乳 袖 尾 翼 머리카락 치마""",
    "helper": """off offs ofs grp group zero sdk aux auxiliar auxiliary hilfs hilfe extra ik pole target tgt mch
        mechanism org corrective correctives helper hlp aim lookat socket attach attachment handle switch pivot
        parent follow driver driven const constraint null dummy camera prop adj adjust adjustment volume bulge
        fix tweak tweaks vis spin stretchto swing bendy bbone segment rollback pv kinect ref copy offset space
        proxy snap ikp nodef heelroll ＩＫ ik親 タメ 操作 作用点""",
    "control": "fk ctrl control controller controls ctl crtl cntrl",
    "deform": "def deform deformation dfm",
}
_PLAIN = """con jnt joint bone bones bn skel skeleton armature rig c b bip bip001 j main_ base bend bnd bind sk
        anim mixamorig cc char character root_ human biped actor body_ de del la le du della do da of the
        knochen hueso os osso кость 骨 ボーン 本 part link jt l_ main fk_ cnt hum"""
NOTHING = ""
"""What a word means that says nothing of the body."""


def plain(text: str) -> str:
    """A text without marks on its letters, full width or capitals, as words are looked up."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", "".join(mark for mark in parts if not "̀" <= mark <= "ͯ"))


def _meanings() -> dict[str, str]:
    found = {plain(word): NOTHING for word in _PLAIN.split()}
    for meaning, words in _WORDS.items():
        for word in words.split():
            found.setdefault(plain(word), meaning)
    # "main" is a hand in French, and nothing in English.
    found.update({"l": "left", "r": "right", "main": "main"})
    return found


MEANINGS = _meanings()
"""The meaning of each word."""
LONGEST = max(map(len, MEANINGS))
