"""The programs that draw a head: lights with a shadow, skin that light shines through, hair, eyes and teeth.

Each kind of surface has a program of its own: software OpenGL runs both sides of a branch.

Colours are linear inside the shader and sRGB in its pictures. The first light throws a shadow.
"""

LIGHTS = 3

_SKINNING = """
uniform mat4 joints[4];
mat4 find_joint(vec4 weights) {
    float rest = 1.0 - dot(weights, vec4(1.0));
    mat4 sum = rest * mat4(1.0);
    for (int i = 0; i < 4; i++) sum += weights[i] * joints[i];
    return sum;
}
"""

DEPTH_VERTEX = (
    """#version 330
in vec3 point; in vec4 weights; in vec2 uv;
uniform mat4 view;
out vec2 at;
"""
    + _SKINNING
    + """
void main() { at = uv; gl_Position = view * (find_joint(weights) * vec4(point, 1.0)); }
"""
)

DEPTH_FRAGMENT = """#version 330
in vec2 at;
uniform sampler2D colour; uniform float alpha_limit;
void main() { if (alpha_limit > 0.0 && texture(colour, at).a < alpha_limit) discard; }
"""

VERTEX = (
    """#version 330
in vec3 point; in vec3 normal; in vec3 rest; in vec2 uv; in vec4 weights; in float occlusion;
uniform mat4 view; uniform mat4 shadow_view; uniform vec3 shell;
out vec3 place; out vec3 direction; out vec3 at_rest; out vec2 at; out float openness; out vec3 shadow_at;
"""
    + _SKINNING
    + """
void main() {
    mat4 joint = find_joint(weights);
    vec3 grown = point + normal * shell.x;
    grown.y -= shell.y * shell.x;
    vec4 world = joint * vec4(grown, 1.0);
    place = world.xyz; direction = mat3(joint) * normal; at_rest = rest; at = uv; openness = occlusion;
    vec4 lit = shadow_view * world; shadow_at = lit.xyz / lit.w * 0.5 + 0.5;
    gl_Position = view * world;
}
"""
)

_FRAGMENT = """#version 330
#define KIND @
in vec3 place; in vec3 direction; in vec3 at_rest; in vec2 at; in float openness; in vec3 shadow_at;
uniform vec3 camera;
uniform sampler2D colour; uniform sampler2D bumps; uniform sampler2D paint; uniform sampler2D hairs;
uniform sampler2D shadow;
uniform float bump_depth; uniform vec4 paint_frame; uniform float shadow_softness;
uniform vec3 light_to[3]; uniform vec3 light_colour[3]; uniform vec3 sky; uniform vec3 ground;
uniform vec3 tint; uniform float gloss; uniform float exposure; uniform float contrast; uniform vec3 shell;
uniform vec3 flat_colour; uniform float paint_depth;
out vec4 result;

#define SKIN 0
#define TEETH 1
#define EYE 2
#define GLAND 3
#define HAIR 4
#define BEARD 5
#define THING 6

vec3 bend(vec3 n) {
    vec3 dx = dFdx(place), dy = dFdy(place); vec2 ux = dFdx(at), uy = dFdy(at);
    vec3 t = dx * uy.y - dy * ux.y, b = dy * ux.x - dx * uy.x;
    float scale = inversesqrt(max(max(dot(t, t), dot(b, b)), 1e-20));
    vec2 m = texture(bumps, at).xy * 2.0 - 1.0;
    return normalize(n + (t * m.x + b * m.y) * scale * bump_depth * sign(ux.x * uy.y - ux.y * uy.x));
}

float find_shadow() {
    if (any(lessThan(shadow_at, vec3(0.0))) || any(greaterThan(shadow_at, vec3(1.0)))) return 1.0;
    float lit = 0.0;
    for (int i = 0; i < 5; i++) {
        vec2 step = i == 4 ? vec2(0.0) : vec2(i < 2 ? -1.0 : 1.0, (i & 1) == 0 ? -1.0 : 1.0) * shadow_softness;
        lit += texture(shadow, shadow_at.xy + step).r > shadow_at.z - 0.012 ? 0.2 : 0.0;
    }
    return lit;
}

vec3 map_tone(vec3 c) {
    c = c * exposure;
    c = c * (1.0 + c * 0.12) / (1.0 + c * 0.42);
    return pow(clamp(c, 0.0, 1.0), vec3(1.0 / 2.2 * contrast));
}

void main() {
    vec3 n = normalize(direction), to_eye = normalize(camera - place);
#if KIND == THING
    vec4 texel = vec4(flat_colour, 1.0);
#else
    vec4 texel = texture(colour, at);
#endif
#if KIND == HAIR
    if (texel.a < 0.2) discard;
    if (dot(n, to_eye) < 0.0) n = -n;
#endif
    vec3 albedo = pow(texel.rgb, vec3(2.2));
    vec2 front = at_rest.xy * paint_frame.xy + paint_frame.zw;
    float rough = 24.0, shine = 0.1, open = clamp(openness * 1.25, 0.0, 1.0);
    vec3 through = vec3(0.0);
#if KIND == SKIN
    n = bend(n);
    vec4 dye = texture(paint, front);
    dye.a *= smoothstep(-0.02, 0.02, at_rest.z - paint_depth);
    albedo = mix(albedo * tint, dye.rgb * dye.rgb, dye.a);
    through = vec3(0.38, 0.16, 0.09); rough = 14.0 + 22.0 * gloss; shine = 0.035 + 0.12 * gloss;
#elif KIND == TEETH
    through = vec3(0.2, 0.15, 0.12); rough = 50.0; shine = 0.16;
    float tongue = smoothstep(0.06, 0.18, texel.r - texel.g);  // and gums: red in the picture
    albedo *= mix(flat_colour, vec3(1.15, 0.8, 0.8), tongue);
    open = max(sqrt(open) * smoothstep(0.02, 0.2, open), 0.3 * tongue);
#elif KIND == EYE
    rough = 260.0; shine = 1.6; through = vec3(0.1); albedo *= flat_colour;
#elif KIND == GLAND
    rough = 120.0; shine = 0.5; through = vec3(0.3, 0.1, 0.08);
#elif KIND == HAIR
    albedo *= flat_colour; shine = 0.035; rough = 40.0; through = vec3(0.12);
#elif KIND == BEARD
    float hair = texture(hairs, at_rest.xy * vec2(13.0, 7.0) + at_rest.z * vec2(9.0, 3.0)).r;
    float kept = texture(paint, front).a * smoothstep(-0.02, 0.02, at_rest.z - paint_depth);
    if (hair * kept < shell.z) discard;
    albedo = flat_colour * flat_colour * (0.55 + 0.3 * shell.z + 0.3 * hair);
    through = vec3(0.15); shine = 0.05;
#else
    shine = 0.35; rough = 60.0;
#endif
    vec3 light = mix(ground, sky, n.y * 0.5 + 0.5) * open;
    vec3 sheen = vec3(0.0);
    float lit = find_shadow();
    for (int i = 0; i < 3; i++) {
        float facing = dot(n, light_to[i]);
        float seen = i == 0 ? lit : mix(open, 1.0, 0.35);
        vec3 soft = clamp((vec3(facing) + through) / (1.0 + through), 0.0, 1.0);
        light += light_colour[i] * seen * mix(soft * soft, vec3(max(facing, 0.0)), 0.35);
        vec3 half_way = normalize(light_to[i] + to_eye);
#if KIND == HAIR
        float along = dot(half_way, normalize(vec3(0.0, 1.0, 0.0) - n * n.y + vec3(1e-4)));
        float lobe = sqrt(max(1.0 - along * along, 0.0));
#else
        float lobe = max(dot(n, half_way), 0.0);
#endif
        sheen += light_colour[i] * seen * pow(lobe, rough) * shine * step(-0.1, facing);
    }
    float edge = 1.0 - max(dot(n, to_eye), 0.0);
    sheen += mix(ground, sky, 0.6) * edge * edge * edge * edge * shine * 1.5 * open;
    result = vec4(map_tone(albedo * light + sheen * mix(open, 1.0, 0.2)), 1.0);
#if KIND == HAIR
    result.a = smoothstep(0.2, 0.6, texel.a);
#endif
}
"""

KINDS = ("skin", "teeth", "eye", "gland", "hair", "beard", "thing")
"""Kinds of surface."""


def write_fragment(kind: str) -> str:
    """Write the fragment program of one of `KINDS`."""
    return _FRAGMENT.replace("@", str(KINDS.index(kind)), 1)


MASK_FRAGMENT = """#version 330
out vec4 result;
void main() { result = vec4(1.0); }
"""

BACKGROUND_VERTEX = """#version 330
in vec2 point; out vec2 at; uniform vec4 window;
void main() { at = (point * 0.5 + 0.5) * window.zw + window.xy; gl_Position = vec4(point, 0.9999, 1.0); }
"""

BACKGROUND_FRAGMENT = """#version 330
in vec2 at; uniform sampler2D colour; out vec4 result;
void main() { result = vec4(texture(colour, at).rgb, 1.0); }
"""
