import * as z from 'zod';
import { Id, Timestamp } from './ids.ts';
import { limits } from './limits.ts';

/** Compared without case: stored trimmed and lower-cased. */
export const Email = z.string().trim().toLowerCase().max(limits.auth.emailMax).pipe(z.email());

export const Username = z
  .string()
  .min(limits.auth.usernameMin)
  .max(limits.auth.usernameMax)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9]|[._-](?=[A-Za-z0-9]))*$/, 'letters, digits, and single . _ - between them');

/** NFC before it is measured, so that one password typed on two systems is one password. */
export const Password = z.string().normalize('NFC').min(limits.auth.passwordMin).max(limits.auth.passwordMax);

/** A password that an account has already: rules of today must not lock out accounts of yesterday. */
export const KnownPassword = z.string().normalize('NFC').min(1).max(limits.auth.passwordMax);

export const DisplayName = z.string().trim().min(1).max(limits.auth.displayNameMax);

/** The signed-in user's own view. */
export const User = z
  .object({
    id: Id,
    email: z.string(),
    username: z.string(),
    displayName: z.string(),
    avatarUrl: z.string().nullable(),
    emailVerified: z.boolean(),
    createdAt: Timestamp,
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

/** A user as others see them: never with an address. */
export const Person = z
  .object({ userId: Id, username: z.string(), displayName: z.string(), avatarUrl: z.string().nullable() })
  .meta({ id: 'Person' });
export type Person = z.infer<typeof Person>;

export const RegisterBody = z.strictObject({
  email: Email,
  username: Username,
  password: Password,
  displayName: DisplayName.optional(),
});

export const LoginBody = z.strictObject({ email: Email, password: KnownPassword });

export const RefreshBody = z.strictObject({ refreshToken: z.string().min(1).max(limits.auth.tokenMax).optional() });

export const Session = z
  .object({
    user: User,
    accessToken: z.string().meta({ description: 'JWT; send as `Authorization: Bearer`' }),
    expiresIn: z.int().meta({ description: 'Seconds until the access token expires' }),
    refreshToken: z.string().meta({ description: 'Good for one use; also set as a `__Host-` cookie' }),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const UserEnvelope = z.object({ user: User });
export const UpdateMeBody = z.strictObject({ displayName: DisplayName.optional(), username: Username.optional() });
