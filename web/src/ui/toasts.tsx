import { useEffect, useRef } from 'preact/hooks';
import { dismiss, toasts } from '../state/toasts.ts';
import { Icon } from './icon.tsx';

/** A manual popover, because the top layer is the only place above a modal dialog. */
export const ToastHost = () => {
  const element = useRef<HTMLDivElement>(null);
  const list = toasts.value;
  useEffect(() => {
    const host = element.current;
    if (host === null) return;
    // Shown again with each toast, to come above a dialog that was opened since.
    if (host.matches(':popover-open')) host.hidePopover();
    if (list.length > 0) host.showPopover();
  }, [list]);
  return (
    <div ref={element} class="toasts" popover="manual" aria-live="polite">
      {list.map((toast) => (
        <div key={toast.id} class={`toast ${toast.kind}`} role={toast.kind === 'error' ? 'alert' : 'status'}>
          <span class="toast-dot" />
          <div class="toast-text">
            <strong>{toast.title}</strong>
            {toast.detail !== undefined && <p>{toast.detail}</p>}
            {toast.requestId !== undefined && <code>Request {toast.requestId}</code>}
          </div>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
};
