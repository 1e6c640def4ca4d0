# SPDX-License-Identifier: MIT
"""The bones of rigs that animators have, as rows: ``name parent place``, then ``>end``, ``=part`` or ``~part:along``.

Names and hierarchies are those that the makers' own files have (Mixamo, Unreal's mannequins, MPFB's `rig.*.json`, VRoid
Studio, Character Creator, Auto-Rig Pro, Daz Genesis 8, Rigify's `human` metarig), without most of the face.
``*`` stands for a side: the row is written once and holds for both. A place is a point of the body in
`tests/characters.py`, or ``a/b:t`` between two; a bone ends at ``end``, else where its first child begins. A part says
what the bone truly is; ``~`` that it twists with a limb and lies beside it.
"""

from __future__ import annotations

FINGERS = ("thumb", "index", "middle", "ring", "pinky")


def fingers(parent: str, name: str, called: tuple[str, ...] = FINGERS, count: int = 3, first: int = 1) -> str:
    """Rows of five fingers.

    Args:
        parent: of each first bone, which may say ``{finger}``.
        name: of a bone, with ``{finger}`` and ``{n}``.
        called: what the five are called.
        count: bones of each.
        first: number of the first.
    """
    rows = []
    for finger, word in zip(FINGERS, called, strict=True):
        for n in range(count):
            before = name.format(finger=word, n=first + n - 1) if n else parent.format(finger=word)
            end = f" >{finger}{min(n + 1, 3)}" if n < 3 else f" >{finger}4"
            rows.append(f"{name.format(finger=word, n=first + n)} {before} {finger}{n}{end}")
    return "\n".join(rows)


MIXAMO = """
Hips - pelvis =pelvis
Spine Hips spine0.12 =spine
Spine1 Spine spine0.4 =spine
Spine2 Spine1 spine0.65 >neck =spine
Neck Spine2 neck =neck
Head Neck head >crown =head
HeadTop_End Head crown >above
*Eye Head eye >look
*Shoulder Spine2 collar >shoulder =collar
*Arm *Shoulder shoulder >elbow =shoulder
*ForeArm *Arm elbow >wrist =elbow
*Hand *ForeArm wrist >middle0 =wrist
*UpLeg Hips hip >knee =hip
*Leg *UpLeg knee >ankle =knee
*Foot *Leg ankle >ball =ankle
*ToeBase *Foot ball >toe =foot
*Toe_End *ToeBase toe >beyond
""" + fingers("*Hand", "*Hand{finger}{n}", ("Thumb", "Index", "Middle", "Ring", "Pinky"), 4)

_UNREAL_LIMBS = """
clavicle_* {chest} collar >shoulder =collar
upperarm_* clavicle_* shoulder >elbow =shoulder
lowerarm_* upperarm_* elbow >wrist =elbow
hand_* lowerarm_* wrist >middle0 =wrist
thigh_* pelvis hip >knee =hip
calf_* thigh_* knee >ankle =knee
foot_* calf_* ankle >ball =ankle
ball_* foot_* ball >toe =foot
"""
_UNREAL_IK = """
ik_foot_root root ground >ahead
ik_foot_* ik_foot_root ankle >ball
ik_hand_root root ground >ahead
ik_hand_gun ik_hand_root gun >ahead
ik_hand_* ik_hand_gun wrist >middle0
"""
UNREAL_5 = (
    """
root - ground >ahead =root
pelvis root pelvis =pelvis
spine_01 pelvis spine0.08 =spine
spine_02 spine_01 spine0.22 =spine
spine_03 spine_02 spine0.36 =spine
spine_04 spine_03 spine0.52 =spine
spine_05 spine_04 spine0.75 >neck =spine
neck_01 spine_05 neck =neck
neck_02 neck_01 neck/head:0.5 =neck
head neck_02 head >crown =head
"""
    + _UNREAL_LIMBS.format(chest="spine_05")
    + """
upperarm_twist_01_* upperarm_* shoulder/elbow:0.33 >elbow ~shoulder:0.33
upperarm_twistCor_01_* upperarm_twist_01_* shoulder/elbow:0.33 >elbow
upperarm_twist_02_* upperarm_* shoulder/elbow:0.67 >elbow ~shoulder:0.67
upperarm_tricep_* upperarm_twist_02_* shoulder/elbow:0.67 >elbow
upperarm_correctiveRoot_* upperarm_* shoulder >elbow
lowerarm_twist_02_* lowerarm_* elbow/wrist:0.33 >wrist ~elbow:0.33
lowerarm_twist_01_* lowerarm_* elbow/wrist:0.67 >wrist ~elbow:0.67
lowerarm_correctiveRoot_* lowerarm_* elbow >wrist
wrist_inner_* hand_* wrist >middle0
thigh_twist_01_* thigh_* hip/knee:0.33 >knee ~hip:0.33
thigh_twist_02_* thigh_* hip/knee:0.67 >knee ~hip:0.67
calf_twist_02_* calf_* knee/ankle:0.33 >ankle ~knee:0.33
calf_twist_01_* calf_* knee/ankle:0.67 >ankle ~knee:0.67
clavicle_pec_* spine_05 collar/shoulder:0.5 >shoulder
index_metacarpal_* hand_* wrist >index0
middle_metacarpal_* hand_* wrist >middle0
ring_metacarpal_* hand_* wrist >ring0
pinky_metacarpal_* hand_* wrist >pinky0
"""
    + "\n".join(
        row if row.startswith("thumb") else row.replace(" hand_*", f" {row.split('_')[0]}_metacarpal_*")
        for row in fingers("hand_*", "{finger}_0{n}_*").splitlines()
    )
    + _UNREAL_IK
    + """
interaction root ground >ahead
center_of_mass root ground >ahead
"""
)
UNREAL_4 = (
    """
root - ground >ahead =root
pelvis root pelvis =pelvis
spine_01 pelvis spine0.15 =spine
spine_02 spine_01 spine0.4 =spine
spine_03 spine_02 spine0.7 >neck =spine
neck_01 spine_03 neck =neck
head neck_01 head >crown =head
"""
    + _UNREAL_LIMBS.format(chest="spine_03")
    + """
upperarm_twist_01_* upperarm_* shoulder/elbow:0.5 >elbow ~shoulder:0.5
lowerarm_twist_01_* lowerarm_* elbow/wrist:0.6 >wrist ~elbow:0.6
thigh_twist_01_* thigh_* hip/knee:0.4 >knee ~hip:0.4
calf_twist_01_* calf_* knee/ankle:0.6 >ankle ~knee:0.6
"""
    + fingers("hand_*", "{finger}_0{n}_*")
    + _UNREAL_IK
)

MPFB_DEFAULT = """
root - pelvis =pelvis
spine05 root spine0.1 =spine
spine04 spine05 spine0.3 =spine
spine03 spine04 spine0.5 =spine
spine02 spine03 spine0.65 =spine
spine01 spine02 spine0.85 >neck =spine
neck01 spine01 neck =neck
neck02 neck01 neck/head:0.4 =neck
neck03 neck02 neck/head:0.75 =neck
head neck03 head >crown =head
jaw head head >chin
special04 head head >chin
special05.* head head >eye
eye.* special05.* eye >look
levator02.* head eye >look
breast.* spine02 spine0.65 >breast
clavicle.* spine01 collar >collar/shoulder:0.6 =collar
shoulder01.* clavicle.* collar/shoulder:0.6 >shoulder
upperarm01.* shoulder01.* shoulder >shoulder/elbow:0.5 =shoulder
upperarm02.* upperarm01.* shoulder/elbow:0.5 >elbow =shoulder
lowerarm01.* upperarm02.* elbow >elbow/wrist:0.5 =elbow
lowerarm02.* lowerarm01.* elbow/wrist:0.5 >wrist =elbow
wrist.* lowerarm02.* wrist >middle0 =wrist
metacarpal1.* wrist.* wrist >index0
metacarpal2.* wrist.* wrist >middle0
metacarpal3.* wrist.* wrist >ring0
metacarpal4.* wrist.* wrist >pinky0
finger1-1.* wrist.* thumb0 >thumb1
finger1-2.* finger1-1.* thumb1 >thumb2
finger1-3.* finger1-2.* thumb2 >thumb3
finger2-1.* metacarpal1.* index0 >index1
finger2-2.* finger2-1.* index1 >index2
finger2-3.* finger2-2.* index2 >index3
finger3-1.* metacarpal2.* middle0 >middle1
finger3-2.* finger3-1.* middle1 >middle2
finger3-3.* finger3-2.* middle2 >middle3
finger4-1.* metacarpal3.* ring0 >ring1
finger4-2.* finger4-1.* ring1 >ring2
finger4-3.* finger4-2.* ring2 >ring3
finger5-1.* metacarpal4.* pinky0 >pinky1
finger5-2.* finger5-1.* pinky1 >pinky2
finger5-3.* finger5-2.* pinky2 >pinky3
pelvis.* root pelvis >hip
upperleg01.* pelvis.* hip >hip/knee:0.5 =hip
upperleg02.* upperleg01.* hip/knee:0.5 >knee =hip
lowerleg01.* upperleg02.* knee >knee/ankle:0.5 =knee
lowerleg02.* lowerleg01.* knee/ankle:0.5 >ankle =knee
foot.* lowerleg02.* ankle >ball =ankle
toe1-1.* foot.* ball >ball/toe:0.6 =foot
toe1-2.* toe1-1.* ball/toe:0.6 >toe
toe2-1.* foot.* toe2 >toe2/tip2:0.4
toe2-2.* toe2-1.* toe2/tip2:0.4 >toe2/tip2:0.7
toe2-3.* toe2-2.* toe2/tip2:0.7 >tip2
toe5-1.* foot.* toe5 >toe5/tip5:0.4
toe5-2.* toe5-1.* toe5/tip5:0.4 >toe5/tip5:0.7
toe5-3.* toe5-2.* toe5/tip5:0.7 >tip5
"""
MPFB_GAME = (
    """
Root - ground >ahead =root
pelvis Root pelvis =pelvis
spine_01 pelvis spine0.1 =spine
spine_02 spine_01 spine0.4 =spine
spine_03 spine_02 spine0.65 >neck =spine
neck_01 spine_03 neck =neck
head neck_01 head >crown =head
"""
    + _UNREAL_LIMBS.format(chest="spine_03")
    + fingers("hand_*", "{finger}_0{n}_*")
)

VROID = """
Root - ground >ahead =root
J_Bip_C_Hips Root pelvis =pelvis
J_Bip_C_Spine J_Bip_C_Hips spine0.12 =spine
J_Bip_C_Chest J_Bip_C_Spine spine0.4 =spine
J_Bip_C_UpperChest J_Bip_C_Chest spine0.7 >neck =spine
J_Bip_C_Neck J_Bip_C_UpperChest neck =neck
J_Bip_C_Head J_Bip_C_Neck head >crown =head
J_Adj_*_FaceEye J_Bip_C_Head eye >look
J_Sec_Hair1_01 J_Bip_C_Head crown >nape
J_Sec_Hair2_01 J_Sec_Hair1_01 nape >mane
J_Sec_*_Bust1 J_Bip_C_UpperChest breast >look
J_Sec_*_SkirtSide1_01 J_Bip_C_Hips hip >hem
J_Bip_*_UpperLeg J_Bip_C_Hips hip >knee =hip
J_Bip_*_LowerLeg J_Bip_*_UpperLeg knee >ankle =knee
J_Bip_*_Foot J_Bip_*_LowerLeg ankle >ball =ankle
J_Bip_*_ToeBase J_Bip_*_Foot ball >toe =foot
J_Bip_*_Shoulder J_Bip_C_UpperChest collar >shoulder =collar
J_Bip_*_UpperArm J_Bip_*_Shoulder shoulder >elbow =shoulder
J_Sec_*_TopsUpperArmInside_01 J_Bip_*_UpperArm shoulder/elbow:0.4 >elbow
J_Bip_*_LowerArm J_Bip_*_UpperArm elbow >wrist =elbow
J_Bip_*_Hand J_Bip_*_LowerArm wrist >middle0 =wrist
""" + fingers("J_Bip_*_Hand", "J_Bip_*_{finger}{n}", ("Thumb", "Index", "Middle", "Ring", "Little"))

CHARACTER_CREATOR = """
CC_Base_BoneRoot - ground >ahead =root
CC_Base_Hip CC_Base_BoneRoot pelvis >spine0.1 =pelvis
CC_Base_Pelvis CC_Base_Hip pelvis >crotch
CC_Base_Waist CC_Base_Hip spine0.1 =spine
CC_Base_Spine01 CC_Base_Waist spine0.35 =spine
CC_Base_Spine02 CC_Base_Spine01 spine0.65 >neck =spine
CC_Base_NeckTwist01 CC_Base_Spine02 neck =neck
CC_Base_NeckTwist02 CC_Base_NeckTwist01 neck/head:0.5 =neck
CC_Base_Head CC_Base_NeckTwist02 head >crown =head
CC_Base_FacialBone CC_Base_Head head >chin
CC_Base_JawRoot CC_Base_FacialBone head >chin
CC_Base_*_Eye CC_Base_FacialBone eye >look
CC_Base_*_RibsTwist CC_Base_Spine02 spine0.65 >breast
CC_Base_*_Breast CC_Base_*_RibsTwist breast >look
CC_Base_*_Thigh CC_Base_Pelvis hip >knee =hip
CC_Base_*_ThighTwist01 CC_Base_*_Thigh hip >knee ~hip:0.0
CC_Base_*_ThighTwist02 CC_Base_*_Thigh hip/knee:0.5 >knee ~hip:0.5
CC_Base_*_Calf CC_Base_*_Thigh knee >ankle =knee
CC_Base_*_KneeShareBone CC_Base_*_Calf knee >ankle
CC_Base_*_CalfTwist01 CC_Base_*_Calf knee >ankle ~knee:0.0
CC_Base_*_CalfTwist02 CC_Base_*_Calf knee/ankle:0.5 >ankle ~knee:0.5
CC_Base_*_Foot CC_Base_*_Calf ankle >ball =ankle
CC_Base_*_ToeBaseShareBone CC_Base_*_Foot ball >toe
CC_Base_*_ToeBase CC_Base_*_Foot ball >toe =foot
CC_Base_*_BigToe1 CC_Base_*_ToeBase toe >beyond
CC_Base_*_Clavicle CC_Base_Spine02 collar >shoulder =collar
CC_Base_*_Upperarm CC_Base_*_Clavicle shoulder >elbow =shoulder
CC_Base_*_UpperarmTwist01 CC_Base_*_Upperarm shoulder >elbow ~shoulder:0.0
CC_Base_*_UpperarmTwist02 CC_Base_*_Upperarm shoulder/elbow:0.5 >elbow ~shoulder:0.5
CC_Base_*_Forearm CC_Base_*_Upperarm elbow >wrist =elbow
CC_Base_*_ElbowShareBone CC_Base_*_Forearm elbow >wrist
CC_Base_*_ForearmTwist01 CC_Base_*_Forearm elbow >wrist ~elbow:0.0
CC_Base_*_ForearmTwist02 CC_Base_*_Forearm elbow/wrist:0.5 >wrist ~elbow:0.5
CC_Base_*_Hand CC_Base_*_Forearm wrist >middle0 =wrist
""" + fingers("CC_Base_*_Hand", "CC_Base_*_{finger}{n}", ("Thumb", "Index", "Mid", "Ring", "Pinky"))

AUTO_RIG_PRO = """
c_pos - ground >ahead
c_traj c_pos ground >ahead =root
c_root_master.x c_traj pelvis >spine0.15 =pelvis
c_root.x c_root_master.x pelvis >crotch
root.x c_root.x pelvis >spine0.15
c_spine_01.x c_root_master.x spine0.15 >spine0.4 =spine
spine_01.x c_spine_01.x spine0.15 >spine0.4
c_spine_02.x c_spine_01.x spine0.4 >spine0.7 =spine
spine_02.x c_spine_02.x spine0.4 >spine0.7
c_spine_03.x c_spine_02.x spine0.7 >neck =spine
spine_03.x c_spine_03.x spine0.7 >neck
c_neck.x c_spine_03.x neck >head =neck
neck.x c_neck.x neck >head
c_head.x c_neck.x head >crown =head
head.x c_head.x head >crown
c_jawbone.x c_head.x head >chin
c_eye.* c_head.x eye >look
c_shoulder.* c_spine_03.x collar >shoulder =collar
shoulder.* c_shoulder.* collar >shoulder
c_arm_fk.* c_shoulder.* shoulder >elbow =shoulder
arm_stretch.* c_arm_fk.* shoulder/elbow:0.5 >elbow
c_arm_twist_offset.* c_arm_fk.* shoulder >shoulder/elbow:0.5
c_forearm_fk.* c_arm_fk.* elbow >wrist =elbow
forearm_stretch.* c_forearm_fk.* elbow >elbow/wrist:0.5
forearm_twist.* c_forearm_fk.* elbow/wrist:0.5 >wrist
c_hand_fk.* c_forearm_fk.* wrist >middle0 =wrist
hand.* c_hand_fk.* wrist >middle0
c_hand_ik.* c_traj wrist >middle0
c_arms_pole.* c_traj elbow_behind >elbow
c_thigh_b.* c_root.x hip >knee
c_thigh_fk.* c_thigh_b.* hip >knee =hip
thigh_twist.* c_thigh_fk.* hip >hip/knee:0.5
thigh_stretch.* c_thigh_fk.* hip/knee:0.5 >knee
c_leg_fk.* c_thigh_fk.* knee >ankle =knee
leg_stretch.* c_leg_fk.* knee >knee/ankle:0.5
leg_twist.* c_leg_fk.* knee/ankle:0.5 >ankle
c_foot_fk.* c_leg_fk.* ankle >ball =ankle
foot.* c_foot_fk.* ankle >ball
c_toes_fk.* c_foot_fk.* ball >toe =foot
toes_01.* c_toes_fk.* ball >toe
c_foot_ik.* c_traj ankle >ball
c_toes_ik.* c_foot_ik.* ball >toe
c_leg_pole.* c_traj knee_ahead >knee
""" + fingers("hand.*", "c_{finger}{n}.*")

DAZ_8 = """
hip - pelvis >spine0.1 =pelvis
pelvis hip spine0.06 >crotch
abdomenLower hip spine0.08 =spine
abdomenUpper abdomenLower spine0.3 =spine
chestLower abdomenUpper spine0.5 =spine
chestUpper chestLower spine0.75 >neck =spine
neckLower chestUpper neck =neck
neckUpper neckLower neck/head:0.5 =neck
head neckUpper head >crown =head
upperFaceRig head head >eye1
lowerJaw head head >chin
*Eye head eye >look
*Pectoral chestLower breast >look
*Collar chestUpper collar >shoulder =collar
*ShldrBend *Collar shoulder >shoulder/elbow:0.45 =shoulder
*ShldrTwist *ShldrBend shoulder/elbow:0.45 >elbow =shoulder
*ForearmBend *ShldrTwist elbow >elbow/wrist:0.5 =elbow
*ForearmTwist *ForearmBend elbow/wrist:0.5 >wrist =elbow
*Hand *ForearmTwist wrist >middle0 =wrist
*Carpal1 *Hand wrist >index0
*Carpal2 *Hand wrist >middle0
*Carpal3 *Hand wrist >ring0
*Carpal4 *Hand wrist >pinky0
*Thumb1 *Hand thumb0 >thumb1
*Thumb2 *Thumb1 thumb1 >thumb2
*Thumb3 *Thumb2 thumb2 >thumb3
*Index1 *Carpal1 index0 >index1
*Index2 *Index1 index1 >index2
*Index3 *Index2 index2 >index3
*Mid1 *Carpal2 middle0 >middle1
*Mid2 *Mid1 middle1 >middle2
*Mid3 *Mid2 middle2 >middle3
*Ring1 *Carpal3 ring0 >ring1
*Ring2 *Ring1 ring1 >ring2
*Ring3 *Ring2 ring2 >ring3
*Pinky1 *Carpal4 pinky0 >pinky1
*Pinky2 *Pinky1 pinky1 >pinky2
*Pinky3 *Pinky2 pinky2 >pinky3
*ThighBend pelvis hip >hip/knee:0.45 =hip
*ThighTwist *ThighBend hip/knee:0.45 >knee =hip
*Shin *ThighTwist knee >ankle =knee
*Foot *Shin ankle >ball =ankle
*Metatarsals *Foot ankle/ball:0.5 >ball
*Toe *Metatarsals ball >toe =foot
*BigToe *Toe toe >beyond
*Heel *Foot ankle >heel
"""

METARIG = """
spine - pelvis =pelvis
spine.001 spine spine0.2 =spine
spine.002 spine.001 spine0.45 =spine
spine.003 spine.002 spine0.7 >neck =spine
spine.004 spine.003 neck =neck
spine.005 spine.004 neck/head:0.5 =neck
spine.006 spine.005 head >crown =head
pelvis.* spine pelvis >hip
thigh.* spine hip >knee =hip
shin.* thigh.* knee >ankle =knee
foot.* shin.* ankle >ball =ankle
toe.* foot.* ball >toe =foot
heel.02.* foot.* heel >heel_out
breast.* spine.003 breast >look
shoulder.* spine.003 collar >shoulder =collar
upper_arm.* shoulder.* shoulder >elbow =shoulder
forearm.* upper_arm.* elbow >wrist =elbow
hand.* forearm.* wrist >middle0 =wrist
palm.01.* hand.* wrist >index0
palm.02.* hand.* wrist >middle0
palm.03.* hand.* wrist >ring0
palm.04.* hand.* wrist >pinky0
thumb.01.* palm.01.* thumb0 >thumb1
thumb.02.* thumb.01.* thumb1 >thumb2
thumb.03.* thumb.02.* thumb2 >thumb3
""" + "\n".join(
    f"f_{finger}.0{n}.* {f'palm.0{number}.*' if n == 1 else f'f_{finger}.0{n - 1}.*'} {finger}{n - 1} >{finger}{n}"
    for number, finger in enumerate(FINGERS[1:], start=1)
    for n in (1, 2, 3)
)

GERMAN = """
Wurzel - ground >ahead =root
Becken Wurzel pelvis =pelvis
Lendenwirbel Becken spine0.15 =spine
Brustkorb Lendenwirbel spine0.55 >neck =spine
Hals Brustkorb neck =neck
Kopf Hals head >crown =head
Kiefer Kopf head >chin
Schlüsselbein_* Brustkorb collar >shoulder =collar
Oberarm_* Schlüsselbein_* shoulder >elbow =shoulder
Unterarm_* Oberarm_* elbow >wrist =elbow
Hand_* Unterarm_* wrist >middle0 =wrist
Oberschenkel_* Becken hip >knee =hip
Unterschenkel_* Oberschenkel_* knee >ankle =knee
Fuß_* Unterschenkel_* ankle >ball =ankle
Zehen_* Fuß_* ball >toe =foot
""" + fingers("Hand_*", "{finger}{n}_*", ("Daumen", "Zeigefinger", "Mittelfinger", "Ringfinger", "KleinerFinger"))

STUDIO = """
World_Offset_GRP - ground >ahead
Main_JNT World_Offset_GRP ground >ahead =root
COG_JNT Main_JNT pelvis >spine0.1 =pelvis
Belt_SOCKET COG_JNT pelvis >crotch
BackA_OFF COG_JNT spine0.1 >spine0.3
BackA_JNT BackA_OFF spine0.1 >spine0.3 =spine
BackB_OFF BackA_JNT spine0.3 >spine0.5
BackB_JNT BackB_OFF spine0.3 >spine0.5 =spine
BackC_OFF BackB_JNT spine0.5 >spine0.75
BackC_JNT BackC_OFF spine0.5 >spine0.75 =spine
BackD_OFF BackC_JNT spine0.75 >neck
BackD_JNT BackD_OFF spine0.75 >neck =spine
Cape_A_JNT BackD_JNT nape >mane
Neck_OFF BackD_JNT neck >head
Neck_JNT Neck_OFF neck >head =neck
Skull_OFF Neck_JNT head >crown
Skull_JNT Skull_OFF head >crown =head
Hat_SOCKET Skull_JNT crown >above
*_Clav_JNT BackD_JNT collar >shoulder =collar
*_UpArm_OFF *_Clav_JNT shoulder >elbow
*_UpArm_JNT *_UpArm_OFF shoulder >elbow =shoulder
*_UpArm_Roll_HLP *_UpArm_JNT shoulder/elbow:0.5 >elbow ~shoulder:0.5
*_LoArm_OFF *_UpArm_JNT elbow >wrist
*_LoArm_JNT *_LoArm_OFF elbow >wrist =elbow
*_Elbow_HLP *_UpArm_JNT elbow >elbow_behind
*_Hand_OFF *_LoArm_JNT wrist >middle0
*_Hand_JNT *_Hand_OFF wrist >middle0 =wrist
*_Weapon_SOCKET *_Hand_JNT middle0 >ahead_of_hand
*_Thigh_OFF COG_JNT hip >knee
*_Thigh_JNT *_Thigh_OFF hip >knee =hip
*_Shin_OFF *_Thigh_JNT knee >ankle
*_Shin_JNT *_Shin_OFF knee >ankle =knee
*_Knee_HLP *_Thigh_JNT knee >knee_ahead
*_Foot_OFF *_Shin_JNT ankle >ball
*_Foot_JNT *_Foot_OFF ankle >ball =ankle
*_Ball_JNT *_Foot_JNT ball >toe =foot
""" + fingers("*_Hand_JNT", "*_{finger}{n}_JNT", ("Thumb", "Index", "Mid", "Ring", "Pinky"))

SPANISH = """
aux_mundo - ground >ahead
cadera aux_mundo pelvis >spine0.15 =pelvis
aux_columna cadera spine0.15 >spine0.4
columna1 aux_columna spine0.15 >spine0.4 =spine
columna2 columna1 spine0.4 >spine0.7 =spine
columna3 columna2 spine0.7 >neck =spine
cuello columna3 neck =neck
aux_cabeza cuello head >crown
cabeza aux_cabeza head >crown =head
mandibula cabeza head >chin
clavicula* columna3 collar >shoulder =collar
aux_brazo* clavicula* shoulder >elbow
brazo* aux_brazo* shoulder >elbow =shoulder
aux_antebrazo* brazo* elbow >wrist
antebrazo* aux_antebrazo* elbow >wrist =elbow
mano* antebrazo* wrist >middle0 =wrist
aux_muslo* cadera hip >knee
muslo* aux_muslo* hip >knee =hip
pantorrilla* muslo* knee >ankle =knee
pie* pantorrilla* ankle >ball =ankle
dedos_pie* pie* ball >toe =foot
""" + fingers("mano*", "{finger}{n}_*", ("pulgar", "indice", "medio", "anular", "menique"))
