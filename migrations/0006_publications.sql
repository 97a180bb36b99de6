CREATE TABLE `slugs` (
	`slug` text PRIMARY KEY NOT NULL,
	`project_id` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `slugs_project` ON `slugs` (`project_id`);--> statement-breakpoint
ALTER TABLE `publications` ADD `access` text DEFAULT 'public' NOT NULL;--> statement-breakpoint
ALTER TABLE `publications` ADD `cross_origin_isolated` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `publications_build` ON `publications` (`build_id`);