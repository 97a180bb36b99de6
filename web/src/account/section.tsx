import type { ComponentChildren } from 'preact';

interface SectionProps {
  title: string;
  lead?: string;
  id: string;
  children: ComponentChildren;
}

/** One subject of the account page. */
export const Section = ({ title, lead, id, children }: SectionProps) => (
  <section class="account-section" aria-labelledby={id} data-testid={`section-${id}`}>
    <header>
      <h2 id={id}>{title}</h2>
      {lead !== undefined && <p class="muted">{lead}</p>}
    </header>
    <div class="account-body">{children}</div>
  </section>
);
