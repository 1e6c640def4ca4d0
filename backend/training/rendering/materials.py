# SPDX-License-Identifier: MIT
"""Surfaces and skies as Blender's shaders."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from vibe_blender.contract.errors import CaptureError

from .looks import Finish, Light
from .patterns import SIDE_PX, pattern_picture, repeat_m

REST = "rest"
"""Attribute of people's meshes: where each vertex is while the body rests, so that patterns move with the cloth."""


def surface(name: str, finish: Finish, coordinates: str = "Object") -> bpy.types.Material:
    """A material without gloss.

    Args:
        name: of the material.
        finish: what it looks like.
        coordinates: that the pattern follows: ``rest``, or an output of Blender's texture coordinates.
    """
    material = bpy.data.materials.new(name)
    tree = _tree_of(material)
    tree.nodes.clear()
    picture, shader = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeBsdfDiffuse")
    values = pattern_picture(finish)
    picture.image = bpy.data.images.new(name, SIDE_PX, SIDE_PX)
    opaque = np.concatenate([values, np.ones((*values.shape[:2], 1))], axis=2)
    picture.image.pixels.foreach_set(opaque.astype(np.float32).ravel())
    tree.links.new(_placed(tree, finish, coordinates), picture.inputs["Vector"])
    tree.links.new(picture.outputs["Color"], shader.inputs["Color"])
    _finish(tree, shader)
    return material


def picture_surface(name: str, path: str, strength: float) -> bpy.types.Material:
    """A material that shines with a picture over the whole of a plane, whatever the light.

    Raises:
        CaptureError: ``dataset_broken`` where Blender cannot read the picture.
    """
    material = bpy.data.materials.new(name)
    tree = _tree_of(material)
    tree.nodes.clear()
    picture, shine = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeEmission")
    try:
        picture.image = bpy.data.images.load(path, check_existing=True)
        if not all(picture.image.size):
            raise RuntimeError("it is no picture that Blender knows")
    except RuntimeError as error:
        raise CaptureError(
            "dataset_broken",
            f"The background {path} cannot be used: {str(error).strip()}",
            "Take it out of its folder.",
        ) from error
    shine.inputs["Strength"].default_value = strength
    place = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(place.outputs["Generated"], picture.inputs["Vector"])
    tree.links.new(picture.outputs["Color"], shine.inputs["Color"])
    _finish(tree, shine)
    return material


def sky(light: Light) -> bpy.types.World:
    """A world that is brighter or darker above than at the horizon."""
    world = bpy.data.worlds.new("sky")
    tree = _tree_of(world)
    background = next(node for node in tree.nodes if node.type == "BACKGROUND")
    background.inputs["Strength"].default_value = light.sky
    place, apart = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(place.outputs["Generated"], apart.inputs[0])
    tree.links.new(_mixed(tree, apart.outputs[2], light.sky_colours), background.inputs["Color"])
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 64
    return world


def _tree_of(owner: Any) -> Any:
    if owner.node_tree is None:  # before Blender 5.0
        owner.use_nodes = True
    return owner.node_tree


def _finish(tree: Any, shader: Any) -> None:
    tree.links.new(shader.outputs[0], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])


def _placed(tree: Any, finish: Finish, coordinates: str) -> Any:
    """The output of a node that says where on the pattern a point is."""
    if coordinates == REST:
        place = tree.nodes.new("ShaderNodeAttribute")
        place.attribute_name = REST
        source = place.outputs["Vector"]
    else:
        source = tree.nodes.new("ShaderNodeTexCoord").outputs[coordinates]
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value = (0.0, 0.0, finish.turn)
    mapping.inputs["Scale"].default_value = (1.0 / repeat_m(finish),) * 3
    tree.links.new(source, mapping.inputs["Vector"])
    return mapping.outputs["Vector"]


def _mixed(tree: Any, factor: Any, colours: Any) -> Any:
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    for element, colour in zip(ramp.color_ramp.elements, colours, strict=True):
        element.color = (*colour, 1.0)
    tree.links.new(factor, ramp.inputs["Fac"])
    return ramp.outputs["Color"]
