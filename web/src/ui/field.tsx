import { KilnApiError } from '../../../src/client/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import { describeError } from '../state/toasts.ts';

/** What is wrong with a form: as a whole, and by field. */
export type Fault = {
  title: string;
  detail?: string | undefined;
  requestId?: string | undefined;
  fields: Record<string, string>;
};

export const faultOf = (error: unknown): Fault => {
  const fields: Record<string, string> = {};
  if (error instanceof KilnApiError) {
    for (const issue of error.issues) fields[issue.path.replace(/^body\./, '')] ??= issue.message;
    if (error.code === 'email_taken') fields.email = error.title;
    if (error.code === 'username_taken') fields.username = error.title;
  }
  const described = describeError(error);
  return { ...described, detail: Object.keys(fields).length > 0 ? undefined : described.detail, fields };
};

interface FieldProps {
  label: string;
  name: string;
  hint?: string;
  fault: Fault | undefined;
  [attribute: string]: unknown;
}

export const Field = ({ label, name, hint, fault, ...rest }: FieldProps) => {
  const message = fault?.fields[name];
  const noteId = `${name}-note`;
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <input
        class="input"
        name={name}
        data-testid={name}
        required
        aria-invalid={message !== undefined}
        aria-describedby={noteId}
        {...rest}
      />
      <span class={message === undefined ? 'field-note' : 'field-note wrong'} id={noteId}>
        {message ?? hint ?? ''}
      </span>
    </label>
  );
};

/** Where somebody chooses a password: `newPassword` of the form. */
export const NewPassword = (props: { fault: Fault | undefined; autofocus?: boolean }) => (
  <Field
    label="New password"
    name="newPassword"
    type="password"
    autocomplete="new-password"
    minLength={limits.auth.passwordMin}
    maxLength={limits.auth.passwordMax}
    hint={`At least ${limits.auth.passwordMin} characters.`}
    {...props}
  />
);

/** A fault of the form as a whole. */
export const FaultNote = ({ fault }: { fault: Fault | undefined }) =>
  fault === undefined ? null : (
    <div class="form-error" role="alert" data-testid="auth-error">
      <strong>{fault.title}</strong>
      {fault.detail !== undefined && <span>{fault.detail}</span>}
      {fault.requestId !== undefined && <code>Request {fault.requestId}</code>}
    </div>
  );
