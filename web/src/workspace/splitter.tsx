import type { Signal } from '@preact/signals';

interface SplitterProps {
  label: string;
  width: Signal<number>;
  min: number;
  max: number;
  /** The side of the window on which the sized panel is. */
  side: 'left' | 'right';
}

/** A border that is dragged, or moved with the arrow keys. */
export const Splitter = ({ label, width, min, max, side }: SplitterProps) => {
  const direction = side === 'left' ? 1 : -1;
  const set = (value: number) => {
    width.value = Math.round(Math.min(max, Math.max(min, value)));
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a movable separator is a widget of its own (ARIA window splitter)
    <div
      class="splitter"
      role="separator"
      aria-orientation="vertical"
      aria-label={label}
      aria-valuenow={width.value}
      aria-valuemin={min}
      aria-valuemax={max}
      tabIndex={0}
      onKeyDown={(event) => {
        if (event.key === 'ArrowLeft') set(width.value - 16 * direction);
        else if (event.key === 'ArrowRight') set(width.value + 16 * direction);
        else return;
        event.preventDefault();
      }}
      onPointerDown={(event) => {
        const handle = event.currentTarget;
        const startX = event.clientX;
        const startWidth = width.value;
        // With the pointer captured, a frame under it does not swallow the moves.
        handle.setPointerCapture(event.pointerId);
        const onMove = (move: PointerEvent) => set(startWidth + (move.clientX - startX) * direction);
        const onEnd = () => {
          handle.removeEventListener('pointermove', onMove);
          handle.removeEventListener('pointerup', onEnd);
          handle.removeEventListener('pointercancel', onEnd);
        };
        handle.addEventListener('pointermove', onMove);
        handle.addEventListener('pointerup', onEnd);
        handle.addEventListener('pointercancel', onEnd);
      }}
    />
  );
};
