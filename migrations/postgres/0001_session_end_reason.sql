ALTER TABLE "sessions" ADD COLUMN "end_reason" text COLLATE "C";--> statement-breakpoint
CREATE INDEX "refresh_tokens_expires" ON "refresh_tokens" USING btree ("expires_at");