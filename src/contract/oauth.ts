import * as z from 'zod';
import { Timestamp } from './ids.ts';
import { limits } from './limits.ts';
import { Email, KnownPassword, Password } from './users.ts';

/** Who Kiln can ask who somebody is. */
export const Provider = z.enum(['github', 'google']);
export type Provider = z.infer<typeof Provider>;

export const ProviderList = z.object({
  providers: z.array(
    z.object({ provider: Provider, name: z.string().meta({ description: 'For a button', example: 'GitHub' }) }),
  ),
});

export const StartQuery = z.object({
  return: z
    .string()
    .optional()
    .meta({
      description: `Path of the app to go on at, at most ${limits.oauth.returnMax} characters; anything else is home`,
    }),
});

/** What a provider sends along with the browser. Who somebody is is never taken from it. */
export const CallbackQuery = z.object({
  code: z.string().optional(),
  state: z.string().optional(),
  iss: z.string().optional().meta({ description: 'RFC 9207' }),
  error: z.string().optional(),
});

/** A provider that opens the account. */
export const Identity = z
  .object({
    provider: Provider,
    email: z.string().nullable().meta({ description: 'As the provider had it when it was linked' }),
    linkedAt: Timestamp,
  })
  .meta({ id: 'Identity' });
export type Identity = z.infer<typeof Identity>;

export const IdentityList = z.object({
  identities: z.array(Identity),
  hasPassword: z.boolean().meta({ description: 'Whether a password opens the account too' }),
  nextCursor: z.null(),
});

/** Confirms that it is still the same person: by the password, or by a sign-in of the last minutes where there is none. */
export const Reauthentication = z.strictObject({
  password: KnownPassword.optional().meta({ description: 'Left out by an account that has none' }),
});

export const LinkStart = z.object({
  url: z.string().meta({ description: 'Where the browser that asked goes now; it carries the cookie of this answer' }),
});

/** A token from a link in a mail. */
const EmailToken = z.string().min(1).max(limits.auth.tokenMax);
export const VerifyEmailBody = z.strictObject({ token: EmailToken });
export const ForgotPasswordBody = z.strictObject({ email: Email });
export const ResetPasswordBody = z.strictObject({ token: EmailToken, newPassword: Password });
