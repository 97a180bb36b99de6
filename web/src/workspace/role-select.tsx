export type MemberRole = 'editor' | 'viewer';

interface RoleSelectProps {
  value: MemberRole;
  label: string;
  testId?: string;
  onChange: (role: MemberRole) => void;
  /** Offers ownership, too. */
  onOwner?: () => void;
}

export const RoleSelect = ({ value, label, testId, onChange, onOwner }: RoleSelectProps) => (
  <select
    class="select"
    aria-label={label}
    data-testid={testId}
    value={value}
    onChange={(event) => {
      const chosen = event.currentTarget.value;
      if (chosen !== 'owner') return onChange(chosen === 'viewer' ? 'viewer' : 'editor');
      // It is asked for first: until then the role is what it was.
      event.currentTarget.value = value;
      onOwner?.();
    }}
  >
    <option value="editor">Editor</option>
    <option value="viewer">Viewer</option>
    {onOwner !== undefined && <option value="owner">Owner …</option>}
  </select>
);
