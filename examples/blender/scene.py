"""One frame of a short animation: a polished monkey's head turns on a floor, by day. Run by Blender's own Python."""

import math
import os

import bpy

FRAMES = 24
frame = int(os.environ["FRAME"])

bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene


def material(name, colour, metallic, roughness):
    """A surface of Blender's principled kind."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    inputs = made.node_tree.nodes["Principled BSDF"].inputs
    inputs["Base Color"].default_value = (*colour, 1)
    inputs["Metallic"].default_value = metallic
    inputs["Roughness"].default_value = roughness
    return made


bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.context.object.data.materials.append(material("floor", (0.25, 0.3, 0.28), 0, 0.6))
bpy.ops.mesh.primitive_monkey_add(size=2)
head = bpy.context.object
bpy.ops.object.shade_smooth()
head.data.materials.append(material("copper", (0.95, 0.45, 0.25), 1, 0.2))
for at, turn in ((1, 0), (FRAMES + 1, 2 * math.pi)):
    head.rotation_euler.z = turn
    head.keyframe_insert("rotation_euler", frame=at)

bpy.ops.object.light_add(type="SUN", rotation=(0.7, 0.3, 0))
bpy.context.object.data.energy = 4
bpy.ops.object.camera_add(location=(0, -6, 1.5), rotation=(math.radians(77), 0, 0))
scene.camera = bpy.context.object
scene.world = bpy.data.worlds.new("day")
scene.world.color = (0.35, 0.45, 0.6)

scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = int(os.environ.get("SAMPLES", "16"))
# Debian builds Blender without Intel's denoiser.
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 320, 180, 100
scene.render.image_settings.file_format = "PNG"
scene.render.filepath = f"/out/frame-{frame:04}.png"
scene.frame_set(frame)
bpy.ops.render.render(write_still=True)
print(f"done: frame {frame} of {FRAMES} in Blender {bpy.app.version_string}")
