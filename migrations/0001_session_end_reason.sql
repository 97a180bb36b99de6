ALTER TABLE `sessions` ADD `end_reason` text;--> statement-breakpoint
CREATE INDEX `refresh_tokens_expires` ON `refresh_tokens` (`expires_at`);