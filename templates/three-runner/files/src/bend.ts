import type { Material } from 'three';

/** How strongly the world falls away and turns with distance. Shared by all materials. */
export const bend = { uBendDown: { value: 0.0004 }, uBendSide: { value: 0 } };

const CODE = `
#include <project_vertex>
float bendDepth = mvPosition.z * mvPosition.z;
mvPosition.x += bendDepth * uBendSide;
mvPosition.y -= bendDepth * uBendDown;
gl_Position = projectionMatrix * mvPosition;
`;

/**
 * Curves what a material draws, in its vertex shader: the road seems to turn and to come from behind
 * the horizon, while everything stays on a straight line for the rules.
 */
export function bent<M extends Material>(material: M): M {
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, bend);
    shader.vertexShader = shader.vertexShader
      .replace('void main() {', 'uniform float uBendDown;\nuniform float uBendSide;\nvoid main() {')
      .replace('#include <project_vertex>', CODE);
  };
  return material;
}
